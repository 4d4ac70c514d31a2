"""Entities together with those their Relationships point to (GS CIM 009, clause 4.5.23)."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from cityloop.standards.cim.asked import Shape, level_view
from cityloop.standards.cim.kept import MEMBERS, Instance, Kept
from cityloop.standards.cim.outgoing import View, write_entity, write_geojson
from cityloop.standards.cim.selection.memory import RELATIONSHIPS, targets
from cityloop.standards.cim.selection.projection import Projection
from cityloop.standards.cim.terms import Terms

Fetch = Callable[[Iterable[str]], Mapping[str, Kept]]
"""The entities with these ids, by id, as far as they exist."""


class Place(NamedTuple):
    """An entity with what is said of its shape; ``view`` without the projections."""

    kept: Kept
    view: View
    pick: Projection
    omit: Projection

    @property
    def shown(self) -> View:
        """The view with the projections of this level."""
        return level_view(self.view, self.pick, self.omit)

    def below(self, kept: Kept, name: str) -> "Place":
        """The entity that the Relationship ``name`` leads to; attrs speaks of the first level."""
        view = self.view if self.view.attrs is None else replace(self.view, attrs=None)
        return Place(kept, view, self.pick.below(name), self.omit.below(name))


def write_entities(
    entities: Sequence[Kept], terms: Terms, shape: Shape, fetch: Fetch, *, geojson: bool = False
) -> list[dict[str, Any]]:
    """The entities as bodies (as Features where ``geojson``), without @context.

    ``flat``: the linked ones follow, level by level, each once. ``inline``: they stand in the
    Relationship; in the simplified form in place of its object. An entity that leads back to one
    that contains it is not unfolded again. Those of which pick or omit leave nothing are left out.
    """
    places = [Place(kept, shape.view, shape.pick, shape.omit) for kept in entities]
    if shape.join == "flat":
        places += _linked(places, shape, fetch)
    elif shape.join == "inline":
        known = {place.kept["id"]: place.kept for place in _linked(places, shape, fetch)}
        known |= {kept["id"]: kept for kept in entities}
        unfolding = _Unfolding(known, shape.contained_by, terms)
        places = [
            place._replace(kept=unfolding.unfolded(place, (), shape.join_level)) for place in places
        ]
    if geojson:
        return [write_geojson(place.kept, terms, place.shown, shape.geometry) for place in places]
    bodies = (write_entity(place.kept, terms, place.shown) for place in places)
    return [body for body in bodies if body]


def _linked(places: Sequence[Place], shape: Shape, fetch: Fetch) -> list[Place]:
    """What the places lead to, each entity once, nearest first."""
    seen = {place.kept["id"] for place in places} | shape.contained_by
    found: list[Place] = []
    level = list(places)
    for _ in range(shape.join_level):
        wanted: dict[str, tuple[Place, str]] = {}
        for place in level:
            for name, id_ in _targets(place):
                if id_ not in seen:
                    wanted.setdefault(id_, (place, name))
        seen |= wanted.keys()
        known = fetch(wanted) if wanted else {}
        level = [
            place.below(known[id_], name) for id_, (place, name) in wanted.items() if id_ in known
        ]
        found += level
    return found


def _targets(place: Place) -> Iterator[tuple[str, str]]:
    """The Relationships that are shown, and what they point to."""
    view = place.shown
    for name, instances in place.kept["attrs"].items():
        if _shows(view, name):
            for id_ in targets(instances):
                yield name, id_


def _shows(view: View, name: str) -> bool:
    return view.shows(name) and (view.attrs is None or name in view.attrs)


@dataclass(frozen=True, slots=True)
class _Unfolding:
    """Puts ``known`` entities into the Relationships that point to them."""

    known: Mapping[str, Kept]
    contained_by: frozenset[str]
    terms: Terms

    def unfolded(self, place: Place, above: tuple[str, ...], levels: int) -> Kept:
        """The entity of ``place``, below those of the ids ``above``."""
        above = (*above, place.kept["id"])
        view = place.shown
        attrs = dict(place.kept["attrs"])
        for name, instances in attrs.items():
            if _shows(view, name):
                bodies = self._bodies(place, name, above, levels)
                attrs[name] = {
                    dataset: _embedded(instance, bodies, simplified=view.format == "simplified")
                    for dataset, instance in instances.items()
                }
        return {**place.kept, "attrs": attrs}

    def _bodies(
        self, place: Place, name: str, above: tuple[str, ...], levels: int
    ) -> dict[str, dict[str, Any]]:
        bodies = {}
        for id_ in targets(place.kept["attrs"][name]):
            if id_ in self.known and id_ not in above and id_ not in self.contained_by:
                inner = place.below(self.known[id_], name)
                if levels > 1:
                    inner = inner._replace(kept=self.unfolded(inner, above, levels - 1))
                bodies[id_] = write_entity(inner.kept, self.terms, inner.shown)
        return bodies


def _embedded(
    instance: Instance, bodies: Mapping[str, dict[str, Any]], *, simplified: bool
) -> Instance:
    if instance["type"] not in RELATIONSHIPS or not bodies:
        return instance
    member = MEMBERS[instance["type"]]
    objects = instance[member]
    if isinstance(objects, list):
        if simplified:
            return {**instance, member: [bodies.get(id_, id_) for id_ in objects]}
        return {**instance, "entityList": [bodies[id_] for id_ in objects if id_ in bodies]}
    if objects not in bodies:
        return instance
    return {**instance, member if simplified else "entity": bodies[objects]}
