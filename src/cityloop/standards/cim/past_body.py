"""Reads the temporal representation of an entity as clients send it (4.5.6, 5.6.11, 5.6.12)."""

from typing import Any, NamedTuple

from cityloop.standards.cim.incoming import NOT_ATTRIBUTES, read_types
from cityloop.standards.cim.instances import read_instance
from cityloop.standards.cim.iris import checked_id
from cityloop.standards.cim.kept import NULL, Instance
from cityloop.standards.cim.problems import Problem, bad_request
from cityloop.standards.cim.reading import Reading
from cityloop.standards.cim.scope import (
    SCOPE,
    is_scope_over_time,
    read_scope,
    read_scope_over_time,
)
from cityloop.standards.cim.values import wrong_null


class PastBody(NamedTuple):
    """What a client says of an entity's past; ``id`` and ``types`` may be missing in a fragment."""

    id: str | None
    types: list[str]
    scope: list[str] | None
    attributes: dict[str, list[tuple[str, Instance]]]


def read_past(body: Any, reading: Reading) -> PastBody:
    """The instances of each attribute, in the order given; raises Problem."""
    if not isinstance(body, dict):
        raise Problem("InvalidRequest", "the body is no JSON object; write one entity")
    for member in ("scope", "expiresAt"):
        if body.get(member) == NULL:
            raise wrong_null(member)
    id_, types = body.get("id", body.get("@id")), body.get("type", body.get("@type"))
    attributes: dict[str, list[tuple[str, Instance]]] = {}
    for name, given in body.items():
        if name not in NOT_ATTRIBUTES:
            iri = reading.terms.expand(name)
            attributes[iri] = _instances(given, name, iri, reading)
    return PastBody(
        None if id_ is None else checked_id(id_, "the id of the entity"),
        [] if types is None else read_types(types, reading.terms),
        _scope(body["scope"], attributes, reading) if "scope" in body else None,
        attributes,
    )


def _scope(
    given: Any, attributes: dict[str, list[tuple[str, Instance]]], reading: Reading
) -> list[str] | None:
    """The scope that always was; one that is told over time goes to ``attributes`` instead."""
    if not is_scope_over_time(given):
        return read_scope(given)
    attributes[SCOPE] = [("", each) for each in read_scope_over_time(given, reading.now)]
    return None


def _instances(given: Any, name: str, iri: str, reading: Reading) -> list[tuple[str, Instance]]:
    each = given if isinstance(given, list) else [given]
    if not each:
        raise bad_request(f"{name} has no instance; write one, or leave it out")
    if not all(isinstance(one, dict) for one in each):
        raise (
            wrong_null(name)
            if None in each
            else bad_request(f"{name} is {given!r}; write an array of its instances")
        )
    return [read_instance(one, name, iri, reading) for one in each]
