"""The terms of ``q`` (GS CIM 009, clause 4.9) in PostgreSQL's operators of jsonb.

What PostgreSQL would compare otherwise than we do (patterns, instants in texts) is not exact here:
the condition finds candidates.
"""

from cityloop.interconnection.postgres.broker_condition import (
    ANYTHING,
    Condition,
    document,
    every,
    joined,
    opposite,
    some,
    text_of,
    typed,
)
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
from cityloop.standards.cim.selection.compare import positive
from cityloop.standards.cim.selection.memory import RELATIONSHIPS
from cityloop.standards.cim.selection.q import STAMPS

_TARGETS = " ".join(
    f"WHEN '{kind}' THEN {{0}}->'{MEMBERS[kind]}'" for kind in sorted(RELATIONSHIPS)
)
_VALUES = " ".join(
    f"WHEN '{kind}' THEN {{0}}->'{member}'" for kind, member in MEMBERS.items() if member != "value"
)
NEVER = Condition("FALSE")


def term_condition(term: Term, now: int) -> Condition:
    """The term on ``x`` with its document ``d``; each hop joins the linked entity as ``l0`` …"""
    last = len(term.path.hops) - 1
    test = _on_entity(term, f"d{last}" if last >= 0 else "d")
    for place, hop in reversed(list(enumerate(term.path.hops))):
        test = _through(hop, place, test, now)
    return test


def _through(hop: Hop, place: int, test: Condition, now: int) -> Condition:
    source, table = (f"d{place - 1}" if place else "d"), f"l{place}"
    fits = Condition("TRUE") if hop.types is None else typed(hop.types, table)
    targets = f"CASE r{place}.v->>'type' {_TARGETS.format(f'r{place}.v')} END"
    met = every([fits, test])
    return Condition(
        f"EXISTS (SELECT 1 FROM jsonb_each({source}.j->'attrs'->?) r{place}(k, v)"
        f" CROSS JOIN LATERAL jsonb_array_elements_text({_listed(targets)}) o{place}(id)"
        f" JOIN entities {table} ON {table}.id = o{place}.id {document(table, f'd{place}')}"
        f" WHERE ({table}.expires IS NULL OR {table}.expires > ?) AND {met.text})",
        (hop.attribute, now, *met.parameters),
        met.exact,
    )


def _listed(value: str) -> str:
    """A JSON value as a list; what is missing stays so."""
    return (
        f"CASE jsonb_typeof({value}) WHEN 'array' THEN {value} ELSE jsonb_build_array({value}) END"
    )


def _on_entity(term: Term, document_: str) -> Condition:
    path = term.path
    if not path.attributes:
        return _member_test(term, f"{document_}.j")
    first, *rest = path.attributes
    steps = [Condition(f"jsonb_each({document_}.j->'attrs'->?) i0(k, v)", (first,))]
    for place, name in enumerate(rest, 1):
        below = f"jsonb_each(i{place - 1}.v->'sub'->?) i{place}(k, v)"
        steps.append(Condition(f"LATERAL {below}", (name,)))
    instance = f"i{len(rest)}.v"
    if path.member:
        test = _member_test(term, instance)
    else:
        steps.append(_found(path.inside, instance))
        test = _value_test(term, instance)
    source = joined(" CROSS JOIN ", steps)
    return Condition(
        f"EXISTS (SELECT 1 FROM {source.text} WHERE {test.text})",
        (*source.parameters, *test.parameters),
        test.exact,
    )


def _member_test(term: Term, holder: str) -> Condition:
    """A member such as ``observedAt`` in place of a value."""
    member = term.path.member
    is_there = Condition(f"{holder}->'{member}' IS NOT NULL")
    if not term.operator or term.operand is None:
        return is_there
    sign = positive(term.operator)
    if member in STAMPS:
        test = _stamp(sign, term.operand, f"({holder}->>'{member}')::bigint")
    else:
        test = _candidate(sign, term.operand, f"{holder}->'{member}'")
    return every([is_there, test if sign == term.operator else opposite(test)])


def _stamp(sign: str, operand: Operand, stamp: str) -> Condition:
    """``compare.stamp_test`` of a number of ms."""
    if isinstance(operand, Text) and operand.at is not None and sign != "~=":
        return Condition(f"{stamp} {'=' if sign == '==' else sign} ?", (operand.at,))
    if isinstance(operand, Range):
        return every([_stamp(">=", operand.low, stamp), _stamp("<=", operand.high, stamp)])
    if isinstance(operand, Values):
        return some([_stamp("==", value, stamp) for value in operand.values])
    return NEVER


def _found(inside: tuple[str, ...], instance: str) -> Condition:
    """Joins as ``f.f`` the value of an instance, or what stands at ``inside`` in it."""
    value = f"CASE {instance}->>'type' {_VALUES.format(instance)} ELSE {instance}->'value' END"
    if inside == ("*",):
        texts = f"jsonb_each({instance}->'languageMap') m(k, t)"
        each = f"SELECT coalesce(jsonb_agg(c), '[]') \
FROM {texts}, jsonb_array_elements({_listed('t')}) c"
        value = f"CASE {instance}->>'type' WHEN 'LanguageProperty' THEN ({each}) END"
        inside = ()
    steps = "->?::text" * len(inside)
    return Condition(f"LATERAL (SELECT ({value}){steps} AS f OFFSET 0) f", inside)


def _value_test(term: Term, instance: str) -> Condition:
    is_there = Condition("f.f IS NOT NULL")
    if not term.operator or term.operand is None:
        return is_there
    sign = positive(term.operator)
    test = _candidate(sign, term.operand, "c.v")
    each = f"jsonb_array_elements({_listed('f.f')}) c(v)"
    any_ = test._replace(text=f"EXISTS (SELECT 1 FROM {each} WHERE {test.text})")
    wanted = any_ if sign == term.operator else opposite(any_)
    return every([*_comparable(term, instance), is_there, wanted])


def _comparable(term: Term, instance: str) -> list[Condition]:
    kinds = [] if term.path.inside else ["LanguageProperty"]
    if term.operator not in ("==", "!="):
        kinds += sorted(RELATIONSHIPS)
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    return [Condition(f"{instance}->>'type' NOT IN ({listed})")] if kinds else []


def _candidate(sign: str, operand: Operand, value: str) -> Condition:
    """A test of one JSON value; ``sign`` is a positive operator."""
    if isinstance(operand, Values):
        return some([_candidate(sign, each, value) for each in operand.values])
    if isinstance(operand, Range):
        return every([_candidate(">=", operand.low, value), _candidate("<=", operand.high, value)])
    if isinstance(operand, Pattern) or (isinstance(operand, Text) and operand.at is not None):
        return every([Condition(f"jsonb_typeof({value}) = 'string'"), ANYTHING])
    return _scalar("=" if sign == "==" else sign, operand, value)


def _scalar(sign: str, operand: Scalar, value: str) -> Condition:
    # CASE, since AND may be asked in any order, and what is no number cannot be cast.
    if isinstance(operand, bool):
        return Condition(f"{value} = '{str(operand).lower()}'::jsonb")
    if isinstance(operand, Text):
        text = f"({value} #>> '{{}}') COLLATE \"C\" {sign} ?"
        kind, asked = "string", text_of(operand.text)
    else:
        # Read from text, as the document is: what is written alike is equal.
        text, kind, asked = f"({value})::numeric {sign} ?::numeric", "number", repr(operand)
    return Condition(
        f"CASE jsonb_typeof({value}) WHEN '{kind}' THEN {text} ELSE FALSE END", (asked,)
    )
