"""Writes entities as readers want them: normalised, concise, simplified (4.5.2-4.5.4), GeoJSON."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from cityloop.standards.cim.core import NAMESPACE
from cityloop.standards.cim.geometry import is_geometry
from cityloop.standards.cim.instances import DEFAULT_INSTANCE
from cityloop.standards.cim.kept import MEMBERS, Instance, Kept
from cityloop.standards.cim.languages import best_language
from cityloop.standards.cim.terms import Terms
from cityloop.standards.cim.times import read_datetime, write_datetime

Format: TypeAlias = Literal["normalised", "concise", "simplified"]

LOCATION = NAMESPACE + "location"
"""The GeoProperty that places an entity where a reader names no other one."""


@dataclass(frozen=True, slots=True)
class View:
    """What of an entity is written, and how. Names are expanded, but for id, type and scope.

    ``attrs`` keeps these attributes and every other member; ``pick`` keeps these members alone,
    ``omit`` all but these (4.21). ``datasets`` keeps the instances of these datasetIds ("": the
    default one). ``lang`` turns LanguageProperties into Properties. ``now``: instances that have
    expired by then are left out (ms; 0: none).
    """

    format: Format = "normalised"
    sys_attrs: bool = False
    attrs: frozenset[str] | None = None
    pick: frozenset[str] | None = None
    omit: frozenset[str] = frozenset()
    datasets: frozenset[str] | None = None
    lang: str | None = None
    now: int = 0

    def shows(self, member: str) -> bool:
        """Whether the member of an entity (id, type, scope, an attribute) is written."""
        return (self.pick is None or member in self.pick) and member not in self.omit


PLAIN = View()
"""The whole entity, normalised."""


def write_entity(kept: Kept, terms: Terms, view: View = PLAIN) -> dict[str, Any]:
    """The entity as JSON, without @context."""
    body: dict[str, Any] = {}
    if view.shows("id"):
        body["id"] = kept["id"]
    if view.shows("type"):
        body["type"] = _names(kept["type"], terms)
    _write_members(kept, terms, view, body)
    return body


def _write_members(kept: Kept, terms: Terms, view: View, body: dict[str, Any]) -> None:
    if "scope" in kept and view.shows("scope"):
        body["scope"] = _one_or_all(kept["scope"])
    if view.sys_attrs:
        _write_stamps(kept, view, body)
    body.update(write_attributes(kept["attrs"], terms, view))


def _write_stamps(kept: Kept, view: View, body: dict[str, Any]) -> None:
    for stamp in ("createdAt", "modifiedAt", "deletedAt"):
        if stamp in kept and view.pick is None:
            body[stamp] = write_datetime(kept[stamp])
    if "expiresAt" in kept and view.pick is None:
        body["expiresAt"] = kept["expiresAt"]


def write_attributes(
    attributes: dict[str, dict[str, Instance]], terms: Terms, view: View = PLAIN
) -> dict[str, Any]:
    """The attributes that ``view`` shows, by their names."""
    body: dict[str, Any] = {}
    shows_all = view.attrs is None and view.pick is None and not view.omit
    for iri, instances in attributes.items():
        if not shows_all and not (view.shows(iri) and (view.attrs is None or iri in view.attrs)):
            continue
        shown = _shown(instances, view)
        if shown:
            body[terms.compact(iri)] = write_instances(shown, terms, view)
    return body


def _shown(instances: dict[str, Instance], view: View) -> dict[str, Instance]:
    if view.datasets is None and not view.now:
        return instances
    return {
        dataset: instance
        for dataset, instance in instances.items()
        if (view.datasets is None or dataset in view.datasets)
        and not (view.now and is_over(instance, view.now))
    }


def is_over(instance: Instance, now: int) -> bool:
    """Whether it has expired by ``now`` (4.22)."""
    return "expiresAt" in instance and read_datetime(instance["expiresAt"]) <= now


def write_instances(instances: dict[str, Instance], terms: Terms, view: View = PLAIN) -> Any:
    """The instances of one attribute: one, an array of several, a map of simplified ones."""
    if view.format == "simplified":
        written = {
            dataset or DEFAULT_INSTANCE: _simplified(instance, terms, view)
            for dataset, instance in instances.items()
        }
        return (
            written[DEFAULT_INSTANCE]
            if "" in instances and len(written) == 1
            else {"dataset": written}
        )
    each = [
        write_instance(dataset, instance, terms, view) for dataset, instance in instances.items()
    ]
    if len(each) > 1:
        return each
    return _bare(each[0], instances) if view.format == "concise" else each[0]


def write_instance(
    dataset: str, instance: Instance, terms: Terms, view: View = PLAIN
) -> dict[str, Any]:
    """One instance of an attribute as an object, normalised or concise."""
    body: dict[str, Any] = {}
    for member, value in instance.items():
        if member == "sub":
            for iri, instances in value.items():
                body[terms.compact(iri)] = write_instances(instances, terms, view)
        elif (write := _WRITERS.get(member)) is not None:
            body[member] = write(value, terms)
        elif member not in _STAMPS:
            body[member] = value
    if dataset:
        body["datasetId"] = dataset
    if view.sys_attrs:
        _write_instance_stamps(instance, body)
    if view.lang is not None and instance.get("type") == "LanguageProperty":
        _translate(body, view.lang)
    if view.format == "concise":
        body.pop("type", None)  # the member of the value tells it
    return body


def _write_instance_stamps(instance: Instance, body: dict[str, Any]) -> None:
    for stamp in ("createdAt", "modifiedAt", "deletedAt"):
        if stamp in instance:
            body[stamp] = write_datetime(instance[stamp])
    if "expiresAt" in instance:
        body["expiresAt"] = instance["expiresAt"]


def _translate(body: dict[str, Any], wish: str) -> None:
    texts = body.pop("languageMap")
    tag = best_language(wish, texts)
    body.update(type="Property", value=texts[tag], lang=tag)


def _bare(body: dict[str, Any], instances: dict[str, Instance]) -> Any:
    """The value alone where a concise instance has nothing else and cannot be misread."""
    if body.keys() != {"value"}:
        return body
    kind = next(iter(instances.values())).get("type")
    is_compound = isinstance(body["value"], dict | list)
    return body if kind != "GeoProperty" and is_compound else body["value"]


def _simplified(instance: Instance, terms: Terms, view: View) -> Any:
    kind = instance.get("type", "Property")
    member = MEMBERS[kind]
    value: Any = instance.get(member)
    if kind == "LanguageProperty" and view.lang is not None:
        return value[best_language(view.lang, value)]
    if kind == "VocabProperty":
        value = _vocab(value, terms)
    return {member: value} if kind in _WRAPPED else value


_WRAPPED = frozenset({"LanguageProperty", "JsonProperty", "VocabProperty"})
_STAMPS = frozenset({"createdAt", "modifiedAt", "deletedAt", "expiresAt"})


def _names(iris: list[str], terms: Terms) -> Any:
    return terms.compact(iris[0]) if len(iris) == 1 else [terms.compact(iri) for iri in iris]


def _one_or_all(values: list[str]) -> Any:
    return values[0] if len(values) == 1 else values


def _vocab(value: Any, terms: Terms) -> Any:
    return (
        [terms.compact(each) for each in value] if isinstance(value, list) else terms.compact(value)
    )


def _objects(value: Any, _: Terms) -> Any:
    return [{"object": each} for each in value] if isinstance(value, list) else value


_WRITERS = {
    "vocab": _vocab,
    "previousVocab": _vocab,
    "objectList": _objects,
    "previousObjectList": _objects,
    "objectType": _names,
    "valueType": _vocab,
    "entityTypeSealed": _vocab,
}


def write_geojson(
    kept: Kept, terms: Terms, view: View = PLAIN, geometry: str = LOCATION
) -> dict[str, Any]:
    """The entity as a GeoJSON Feature (4.5.16, 4.5.17), placed by the attribute ``geometry``."""
    properties: dict[str, Any] = {}
    if view.shows("type"):
        properties["type"] = _names(kept["type"], terms)
    _write_members(kept, terms, view, properties)
    return {
        "id": kept["id"],
        "type": "Feature",
        "geometry": _geometry(_shown(kept["attrs"].get(geometry, {}), view)),
        "properties": properties,
    }


def _geometry(instances: dict[str, Instance]) -> Any:
    """The geometry of the default instance, else of the first one that has any."""
    ordered = [instances[""]] if "" in instances else list(instances.values())
    values = (instance.get("value") for instance in ordered)
    return next((value for value in values if is_geometry(value)), None)
