"""What the operations of the API mean for one entity (GS CIM 009, 5.6), pure.

Each takes the entity as it is and the fragment as it was read, and gives the Alter that makes one
of the other, with the names that were and were not taken over. Stamps: an instance that takes the
place of another keeps its ``createdAt``.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from cityloop.standards.cim.kept import MEMBERS, NULL, Attributes, Instance, Kept, is_deletion
from cityloop.standards.cim.problems import Problem, bad_request
from cityloop.standards.cim.scope import SCOPE
from cityloop.standards.cim.writes import Alter

_VALUES = frozenset(MEMBERS.values())


class Outcome(NamedTuple):
    """What an operation does: the ``write`` (None: nothing), the names it took over, and those it
    did not, each with the reason."""

    write: Alter | None
    updated: list[str]
    not_updated: dict[str, str]


class _Draft:
    """An Alter in the making."""

    def __init__(self, before: Kept, now: int) -> None:
        self.before = before
        self.held: Attributes = before["attrs"]
        self.now = now
        self.set: dict[str, dict[str, Instance]] = {}
        self.dropped: list[tuple[str, str]] = []
        self.types: list[str] | None = None
        self.scope: list[str] | None = None
        self.expires: str | None = None
        self.updated: list[str] = []
        self.not_updated: dict[str, str] = {}

    def put(self, attribute: str, dataset: str, instance: Instance) -> None:
        """Set a whole instance; it keeps the ``createdAt`` of the one it takes the place of."""
        old = self.held.get(attribute, {}).get(dataset)
        if old is not None:
            instance = {**instance, "createdAt": old["createdAt"]}
        self.set.setdefault(attribute, {})[dataset] = instance

    def drop(self, attribute: str, dataset: str) -> None:
        """Drop an instance, where it exists."""
        if dataset in self.held.get(attribute, ()):
            self.dropped.append((attribute, dataset))

    def add_types(self, fragment: Kept) -> None:
        """Types are only ever added (4.16)."""
        more = [type_ for type_ in fragment.get("type", ()) if type_ not in self.before["type"]]
        if more:
            self.types = [*self.before["type"], *more]

    def expire(self, fragment: Kept) -> None:
        """Take over when the entity vanishes, or that it stays."""
        if "expiresAt" in fragment:
            told = fragment["expiresAt"]
            self.expires = "" if told == NULL else told

    def outcome(self) -> Outcome:
        """What came of it."""
        settled = (self.types, self.scope, self.expires)
        if not self.set and not self.dropped and settled == (None, None, None):
            return Outcome(None, self.updated, self.not_updated)
        gone = [self.held[attribute][dataset] for attribute, dataset in self.dropped]
        was = tuple((instance["type"], instance["createdAt"]) for instance in gone)
        dropped = tuple(self.dropped)
        write = Alter(self.before["id"], self.now, self.set, dropped, *settled, was)
        return Outcome(write, self.updated, self.not_updated)


def replaced(before: Kept, entity: Kept) -> Kept:
    """``entity`` in the place of ``before`` (5.6.18): it exists since then."""
    return {**entity, "createdAt": before["createdAt"]}


def appended(before: Kept, fragment: Kept, now: int, *, overwrite: bool) -> Outcome:
    """Append attributes (5.6.3): new instances are added, known ones replaced or left."""
    draft = _Draft(before, now)
    draft.add_types(fragment)
    draft.expire(fragment)
    if "scope" in fragment:
        old = before.get("scope", []) if not overwrite else []
        draft.scope = list(dict.fromkeys([*old, *fragment["scope"]]))
        draft.updated.append(SCOPE)
    for attribute, instances in fragment["attrs"].items():
        held = draft.held.get(attribute, {})
        left = [] if overwrite else [dataset for dataset in instances if dataset in held]
        for dataset, instance in instances.items():
            if dataset not in left:
                draft.put(attribute, dataset, instance)
        if left:
            draft.not_updated[attribute] = "it exists already and is not to be overwritten"
        else:
            draft.updated.append(attribute)
    return draft.outcome()


def updated(before: Kept, fragment: Kept, now: int) -> Outcome:
    """Update attributes (5.6.2): those that exist are replaced as a whole, others are added."""
    draft = _Draft(before, now)
    draft.add_types(fragment)
    draft.expire(fragment)
    if "scope" in fragment:
        _update_scope(draft, fragment["scope"])
    for attribute, instances in fragment["attrs"].items():
        draft.updated.append(attribute)
        for dataset, instance in instances.items():
            if is_deletion(instance):
                draft.drop(attribute, dataset)
            else:
                draft.put(attribute, dataset, without_nulls(instance))
    return draft.outcome()


def _update_scope(draft: _Draft, scope: Any) -> None:
    if "scope" not in draft.before:
        draft.not_updated[SCOPE] = "the entity has no scope"
        return
    draft.updated.append(SCOPE)
    draft.scope = [] if scope == NULL else scope


def merged(before: Kept, fragment: Kept, now: int) -> Outcome:
    """Merge (5.6.17, 5.5.12): as a JSON merge patch, with NGSI-LD Null for its null."""
    draft = _Draft(before, now)
    draft.add_types(fragment)
    draft.expire(fragment)
    if "scope" in fragment:
        draft.scope = [] if fragment["scope"] == NULL else fragment["scope"]
    for attribute, instances in fragment["attrs"].items():
        draft.updated.append(attribute)
        for dataset, instance in instances.items():
            held = draft.held.get(attribute, {}).get(dataset)
            if is_deletion(instance):
                draft.drop(attribute, dataset)
            elif held is None:
                draft.put(attribute, dataset, without_nulls(instance))
            else:
                draft.put(attribute, dataset, merged_instance(held, instance))
    return draft.outcome()


def partially_updated(
    before: Kept, attribute: str, instances: Mapping[str, Instance], now: int
) -> Outcome:
    """Partial attribute update (5.6.4): members that are given replace those of the instance.

    Raises Problem when the entity has no such attribute or instance, or one of another type.
    """
    draft = _Draft(before, now)
    draft.updated.append(attribute)
    for dataset, instance in instances.items():
        held = _found(before, attribute, dataset)
        if is_deletion(instance):
            draft.drop(attribute, dataset)
        else:
            draft.put(attribute, dataset, _overlaid(held, instance))
    return draft.outcome()


def replaced_attribute(
    before: Kept, attribute: str, instances: Mapping[str, Instance], now: int
) -> Outcome:
    """Replace an attribute (5.6.19): the instances given take the place of all there are."""
    draft = _Draft(before, now)
    draft.updated.append(attribute)
    for dataset, instance in instances.items():
        _found(before, attribute, dataset)
        draft.put(attribute, dataset, instance)
    return draft.outcome()


def without(before: Kept, attribute: str, dataset: str, now: int, *, every: bool) -> Outcome:
    """Delete an attribute (5.6.5): one instance, or every one; raises Problem for none."""
    draft = _Draft(before, now)
    draft.updated.append(attribute)
    if every:
        if attribute not in draft.held:
            raise _missing(before, attribute, "")
        draft.dropped = [(attribute, each) for each in draft.held[attribute]]
    else:
        _found(before, attribute, dataset)
        draft.drop(attribute, dataset)
    return draft.outcome()


def without_scope(before: Kept, now: int) -> Outcome:
    """Delete the scope (5.6.5); raises Problem when there is none."""
    if "scope" not in before:
        raise Problem("ResourceNotFound", f"entity {before['id']} has no scope")
    draft = _Draft(before, now)
    draft.scope = []
    return draft.outcome()


def without_attributes(before: Kept, gone: Iterable[str], now: int) -> Outcome:
    """Drop all instances of some attributes (5.6.21)."""
    draft = _Draft(before, now)
    for attribute in gone:
        draft.dropped += [(attribute, dataset) for dataset in draft.held.get(attribute, ())]
    return draft.outcome()


def _found(before: Kept, attribute: str, dataset: str) -> Instance:
    held: Instance | None = before["attrs"].get(attribute, {}).get(dataset)
    if held is None:
        raise _missing(before, attribute, dataset)
    return held


def _missing(before: Kept, attribute: str, dataset: str) -> Problem:
    instance = f" with datasetId {dataset}" if dataset else ""
    return Problem(
        "ResourceNotFound", f"entity {before['id']} has no attribute {attribute}{instance}"
    )


def _overlaid(held: Instance, given: Instance) -> Instance:
    """``held`` with the members of ``given`` in the place of its own (5.5.8)."""
    kind = given.get("type", held["type"])
    if kind != held["type"]:
        raise bad_request(f"the attribute is a {held['type']} and cannot become a {kind}")
    after = {**held, **{name: value for name, value in given.items() if value != NULL}}
    for name in [name for name, value in given.items() if value == NULL]:
        after.pop(name, None)
    if "sub" in given:
        sub = {**held.get("sub", {}), **given["sub"]}
        _set_sub(after, {name: _alive(instances) for name, instances in sub.items()})
    return after


def merged_instance(held: Instance, given: Instance) -> Instance:
    """``given`` merged into ``held`` (5.5.12); of another type it takes its place."""
    kind = given.get("type", held["type"])
    if kind != held["type"]:
        return without_nulls({**given, "createdAt": held["createdAt"]})
    after = dict(held)
    for name, value in given.items():
        if name in _VALUES:
            after[name] = value if kind == "GeoProperty" else merge_patched(held.get(name), value)
        elif name == "sub":
            _set_sub(after, _merged_sub(held.get("sub", {}), value))
        elif value == NULL:
            after.pop(name, None)
        elif name != "createdAt":
            after[name] = value
    return after


def _merged_sub(held: Attributes, given: Attributes) -> Attributes:
    after = dict(held)
    for name, instances in given.items():
        into = dict(after.get(name, {}))
        for dataset, instance in instances.items():
            if is_deletion(instance):
                into.pop(dataset, None)
            elif dataset in into:
                into[dataset] = merged_instance(into[dataset], instance)
            else:
                into[dataset] = without_nulls(instance)
        after[name] = into
    return after


def _set_sub(instance: Instance, sub: Attributes) -> None:
    left = {name: instances for name, instances in sub.items() if instances}
    if left:
        instance["sub"] = left
    else:
        instance.pop("sub", None)


def _alive(instances: dict[str, Instance]) -> dict[str, Instance]:
    return {
        dataset: without_nulls(instance)
        for dataset, instance in instances.items()
        if not is_deletion(instance)
    }


def without_nulls(instance: Instance) -> Instance:
    """``instance`` without the members that NGSI-LD Null asks to delete."""
    after = {
        name: merge_patched(None, value) if name in _VALUES else value
        for name, value in instance.items()
        if value != NULL
    }
    if "sub" in after:
        sub = {name: _alive(instances) for name, instances in after["sub"].items()}
        _set_sub(after, sub)
    return after


def merge_patched(target: Any, patch: Any) -> Any:
    """RFC 7396 with NGSI-LD Null in the place of null."""
    if not isinstance(patch, dict):
        return patch
    after = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value == NULL:
            after.pop(name, None)
        else:
            after[name] = merge_patched(after.get(name), value)
    return after
