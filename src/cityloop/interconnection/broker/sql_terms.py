"""The terms of ``q`` (GS CIM 009, clause 4.9) in SQLite's JSON functions."""

from cityloop.interconnection.broker.statement import Sql, ask, every, joined, member, some, typed
from cityloop.standards.cim.kept import MEMBERS
from cityloop.standards.cim.selection.ast import (
    Hop,
    Operand,
    Pattern,
    Range,
    Scalar,
    Term,
    Text,
    Values,
)
from cityloop.standards.cim.selection.compare import positive, scalar_test, stamp_test
from cityloop.standards.cim.selection.memory import RELATIONSHIPS
from cityloop.standards.cim.selection.q import STAMPS

_TARGETS = " ".join(f"WHEN '{kind}' THEN '$.{MEMBERS[kind]}'" for kind in sorted(RELATIONSHIPS))


def term_sql(term: Term, now: int) -> Sql:
    """The term on ``x``; each hop joins the linked entity as ``l0``, ``l1`` …"""
    last = f"l{len(term.path.hops) - 1}" if term.path.hops else "x"
    test = _on_entity(term, last)
    for place, hop in reversed(list(enumerate(term.path.hops))):
        test = _through(hop, place, test, now)
    return test


def _through(hop: Hop, place: int, test: Sql, now: int) -> Sql:
    source, table = (f"l{place - 1}" if place else "x"), f"l{place}"
    fits = Sql("TRUE") if hop.types is None else typed(hop.types, table)
    return Sql(
        f"EXISTS (SELECT 1 FROM json_each({source}.doc, ?) r{place},"
        f" json_each(r{place}.value, CASE r{place}.value ->> 'type' {_TARGETS} END) o{place}"
        f" CROSS JOIN entities {table} ON {table}.id = o{place}.atom"
        f" WHERE ({table}.expires IS NULL OR {table}.expires > ?)"
        f" AND ({fits.text}) AND ({test.text}))",
        (member("$.attrs", hop.attribute), now, *fits.parameters, *test.parameters),
    )


def _on_entity(term: Term, table: str) -> Sql:
    path = term.path
    if not path.attributes:
        return _member_test(term, f"{table}.doc")
    first, *rest = path.attributes
    steps = [Sql(f"json_each({table}.doc, ?) i0", (member("$.attrs", first),))]
    for place, name in enumerate(rest, 1):
        path_below = member("$.sub", name)
        steps.append(Sql(f"json_each(i{place - 1}.value, ?) i{place}", (path_below,)))
    instance = f"i{len(rest)}.value"
    test = _member_test(term, instance) if path.member else _value_test(term, instance)
    source = joined(", ", steps)
    return Sql(
        f"EXISTS (SELECT 1 FROM {source.text} WHERE {test.text})",
        (*source.parameters, *test.parameters),
    )


def _member_test(term: Term, document: str) -> Sql:
    """A member such as ``observedAt`` in place of a value."""
    found = member("$", term.path.member)
    if not term.operator or term.operand is None:
        return Sql(f"json_type({document}, ?) IS NOT NULL", (found,))
    sign = positive(term.operator)
    if term.path.member in STAMPS:
        test = ask(stamp_test(sign, term.operand), f"json_extract({document}, ?)")
    else:
        test = ask(scalar_test(sign, term.operand), f"json_extract({document}, ?)")
    wanted = "" if sign == term.operator else "NOT "
    return Sql(
        f"json_type({document}, ?) IS NOT NULL AND {wanted}{test.text}",
        (found, *test.parameters, found),
    )


_VALUES = " ".join(
    f"WHEN '{kind}' THEN '$.{member}'" for kind, member in MEMBERS.items() if member != "value"
)


def _value_test(term: Term, instance: str) -> Sql:
    """The value of an instance, or what stands at ``path.inside`` in it."""
    inside = term.path.inside
    base = f"CASE {instance} ->> 'type' {_VALUES} ELSE '$.value' END"
    if inside == ("*",):
        return _any_language(term, instance)
    place = Sql(f"({base} || ?)", (member("", *inside),)) if inside else Sql(f"({base})")
    if not term.operator or term.operand is None:
        return Sql(f"json_type({instance}, {place.text}) IS NOT NULL", place.parameters)
    sign = positive(term.operator)
    test = _candidate(sign, term.operand)
    found = Sql(
        f"json_type({instance}, {place.text}) <> 'object' AND EXISTS"
        f" (SELECT 1 FROM json_each({instance}, {place.text}) c WHERE {test.text})",
        (*place.parameters, *place.parameters, *test.parameters),
    )
    defined = Sql(f"json_type({instance}, {place.text}) IS NOT NULL", place.parameters)
    return every([*_comparable(term, instance), defined, _as_wanted(term, found)])


def _any_language(term: Term, instance: str) -> Sql:
    """``[*]``: any language; no other kind of attribute has one."""
    language = Sql(f"{instance} ->> 'type' = 'LanguageProperty'")
    if not term.operator or term.operand is None:
        return language
    test = _candidate(positive(term.operator), term.operand)
    found = Sql(
        f"EXISTS (SELECT 1 FROM json_tree({instance}, '$.languageMap') c"
        f" WHERE c.atom IS NOT NULL AND {test.text})",
        test.parameters,
    )
    return every([language, _as_wanted(term, found)])


def _as_wanted(term: Term, found: Sql) -> Sql:
    wanted = positive(term.operator) == term.operator
    return found if wanted else Sql(f"NOT ({found.text})", found.parameters)


def _comparable(term: Term, instance: str) -> list[Sql]:
    kinds = [] if term.path.inside else ["LanguageProperty"]
    if term.operator not in ("==", "!="):
        kinds += sorted(RELATIONSHIPS)
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    return [Sql(f"{instance} ->> 'type' NOT IN ({listed})")] if kinds else []


def _candidate(sign: str, operand: Operand) -> Sql:
    """A test of the row ``c`` of json_each; ``sign`` is a positive operator."""
    if isinstance(operand, Values):
        return some([_candidate(sign, value) for value in operand.values])
    if isinstance(operand, Range):
        return every([_candidate(">=", operand.low), _candidate("<=", operand.high)])
    if isinstance(operand, Pattern) or (isinstance(operand, Text) and operand.at is not None):
        return every([Sql("c.type = 'text'"), ask(scalar_test(sign, operand), "c.atom")])
    return _scalar("=" if sign == "==" else sign, operand)


def _scalar(sign: str, operand: Scalar) -> Sql:
    if isinstance(operand, bool):
        return Sql(f"c.type = '{str(operand).lower()}'")
    if isinstance(operand, Text):
        return Sql(f"c.type = 'text' AND c.atom {sign} ?", (operand.text,))
    # Read from text, as SQLite reads the document: what is written alike is equal.
    return Sql(
        f"c.type IN ('integer', 'real') AND c.atom {sign} CAST(? AS NUMERIC)", (repr(operand),)
    )
