"""Answers a selection for one entity in memory; `interconnection.broker.sql` does for a store.

A selection is compiled once and asked often: a subscription asks for every write.
"""

from collections.abc import Callable, Iterator
from typing import Any

from cityloop.standards.cim.kept import MEMBERS, Instance, Kept
from cityloop.standards.cim.selection.ast import (
    Expression,
    GeoQuery,
    Hop,
    Path,
    Scope,
    Selection,
    Selector,
    Term,
    fold,
)
from cityloop.standards.cim.selection.compare import Test, positive, scalar_test, stamp_test
from cityloop.standards.cim.selection.geo import geometries
from cityloop.standards.cim.selection.ids import read_pattern
from cityloop.standards.cim.selection.q import STAMPS
from cityloop.standards.cim.selection.scopes import in_scope

Lookup = Callable[[str], Kept | None]
"""The entity of an id, as far as it is known: how a query follows a Relationship."""

Match = Callable[[Kept], bool]

RELATIONSHIPS = frozenset({"Relationship", "ListRelationship"})


def _nobody(_: str) -> Kept | None:
    return None


def matches(kept: Kept, selection: Selection, lookup: Lookup = _nobody) -> bool:
    """Whether the entity is meant; to ask about many entities, keep the `matcher`."""
    return matcher(selection, lookup)(kept)


def matcher(selection: Selection, lookup: Lookup = _nobody) -> Match:
    """The compiled selection; ``lookup`` finds linked entities."""
    tests: list[Match] = []
    if selection.selectors:
        tests.append(_some([_selector(selector) for selector in selection.selectors]))
    if selection.attributes:
        names = selection.attributes
        tests.append(lambda kept: any(name in kept["attrs"] for name in names))
    if selection.scope is not None:
        tests.append(fold(selection.scope, _scope, _every, _some))
    if selection.q is not None:
        tests.append(fold(selection.q, lambda term: _term(term, lookup), _every, _some))
    if selection.geo is not None:
        tests.append(_geo(selection.geo))
    return _every(tests)


def _every(tests: list[Match]) -> Match:
    return tests[0] if len(tests) == 1 else lambda kept: all(test(kept) for test in tests)


def _some(tests: list[Match]) -> Match:
    return tests[0] if len(tests) == 1 else lambda kept: any(test(kept) for test in tests)


def has_types(types: Expression[str]) -> Match:
    """Whether an entity's types are those."""
    return fold(types, lambda name: lambda kept: name in kept["type"], _every, _some)


def _selector(selector: Selector) -> Match:
    tests: list[Match] = []
    if selector.types is not None:
        tests.append(has_types(selector.types))
    if selector.ids:
        ids = frozenset(selector.ids)
        tests.append(lambda kept: kept["id"] in ids)
    elif selector.id_pattern:
        found = read_pattern(selector.id_pattern).search
        tests.append(lambda kept: found(kept["id"]) is not None)
    return _every(tests)


def _scope(scope: Scope) -> Match:
    return lambda kept: in_scope(scope, kept.get("scope", ()))


def _term(term: Term, lookup: Lookup) -> Match:
    test = _linked_term(term)
    for hop in reversed(term.path.hops):
        test = _through(hop, test, lookup)
    return test


def _through(hop: Hop, test: Match, lookup: Lookup) -> Match:
    typed = None if hop.types is None else has_types(hop.types)

    def holds(kept: Kept) -> bool:
        for name in targets(kept["attrs"].get(hop.attribute, {})):
            linked = lookup(name)
            if linked is not None and (typed is None or typed(linked)) and test(linked):
                return True
        return False

    return holds


def targets(instances: dict[str, Instance]) -> Iterator[str]:
    """The ids that the instances of a Relationship or ListRelationship point to."""
    for instance in instances.values():
        if instance["type"] in RELATIONSHIPS:
            objects = instance[MEMBERS[instance["type"]]]
            yield from [objects] if isinstance(objects, str) else objects


def _linked_term(term: Term) -> Match:
    path = term.path
    if not path.attributes:
        return _member_of_entity(term)
    meets = _instance_test(term)
    return lambda kept: any(meets(instance) for instance in instances_at(kept, path.attributes))


def _member_of_entity(term: Term) -> Match:
    member, meets = term.path.member, _member_test(term)
    return lambda kept: member in kept and meets(kept[member])


def instances_at(kept: Kept, attributes: tuple[str, ...]) -> Iterator[Instance]:
    """All instances of an attribute, or of the sub-attribute that the path leads to."""
    first = kept["attrs"].get(attributes[0])
    if first is None:
        return
    if len(attributes) == 1:
        yield from first.values()
        return
    level = list(first.values())
    for name in attributes[1:]:
        level = [
            below for instance in level for below in instance.get("sub", {}).get(name, {}).values()
        ]
    yield from level


def _member_test(term: Term) -> Test:
    if not term.operator or term.operand is None:
        return lambda _: True
    compile_test = stamp_test if term.path.member in STAMPS else scalar_test
    test = compile_test(positive(term.operator), term.operand)
    return test if positive(term.operator) == term.operator else lambda value: not test(value)


def _instance_test(term: Term) -> Callable[[Instance], bool]:
    if term.path.member:
        member, meets = term.path.member, _member_test(term)
        return lambda instance: member in instance and meets(instance[member])
    inside = term.path.inside
    if not term.operator or term.operand is None:
        return lambda instance: element(instance, inside) is not ABSENT
    test = scalar_test(positive(term.operator), term.operand)
    wanted = positive(term.operator) == term.operator
    equality = term.operator in ("==", "!=")

    def meets_instance(instance: Instance) -> bool:
        type_ = instance["type"]
        if type_ in RELATIONSHIPS and not equality:
            return False
        if type_ == "LanguageProperty" and not inside:
            return False
        found = element(instance, inside)
        return found is not ABSENT and any(map(test, candidates(found))) is wanted

    return meets_instance


class _Absent:
    """There is no such element."""


ABSENT = _Absent()


def element(instance: Instance, inside: tuple[str, ...]) -> Any:
    """The value of an instance, or what stands at ``inside`` in it; ABSENT where nothing does."""
    value = instance[MEMBERS[instance["type"]]]
    if inside == ("*",):
        if instance["type"] != "LanguageProperty":
            return ABSENT
        texts = value.values()
        return [t for text in texts for t in (text if isinstance(text, list) else [text])]
    for key in inside:
        if not isinstance(value, dict) or key not in value:
            return ABSENT
        value = value[key]
    return value


def candidates(found: Any) -> list[Any]:
    """What is compared: the items of a list, or the value itself; an object cannot be."""
    return found if isinstance(found, list) else [found]


def _geo(query: GeoQuery) -> Match:
    meets = geometries().geo_test(query)

    def holds(kept: Kept) -> bool:
        instances = kept["attrs"].get(query.attribute, {})
        return any(meets(instance.get("value")) for instance in instances.values())

    return holds


def path_values(kept: Kept, path: Path) -> list[Any]:
    """The values at a path of this very entity, in the order of its instances."""
    if not path.attributes:
        return [kept[path.member]] if path.member in kept else []
    if path.member:
        return [
            instance[path.member]
            for instance in instances_at(kept, path.attributes)
            if path.member in instance
        ]
    found = (element(instance, path.inside) for instance in instances_at(kept, path.attributes))
    return [value for value in found if value is not ABSENT]
