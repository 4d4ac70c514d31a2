"""Reads the history of entities: which have one, and their instances in a window of time."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import apsw
import msgspec

from cityloop.interconnection.broker.history import (
    EVERY,
    instance_id,
    keys_of,
    past_of,
    read_instance_id,
)
from cityloop.standards.cim.evolution import Moment, time_of
from cityloop.standards.cim.kept import Attributes, Instance, Kept
from cityloop.standards.cim.temporal_query import TemporalQuery

_decode = msgspec.json.Decoder().decode


class Evolution(NamedTuple):
    """What an entity is and, in the order of time, the instances of its attributes."""

    kept: Kept
    moments: list[Moment]


def evolution(
    connection: apsw.Connection,
    id_: str,
    query: TemporalQuery,
    attributes: frozenset[str] | None = None,
) -> Evolution | None:
    """How an entity evolved in the window, of each attribute the last N; None: it is unknown.

    Of two instances of one attribute and datasetId that were observed at the same time the one
    written later counts: it corrects the other.
    """
    kept = _described(connection, id_)
    if kept is None:
        return None
    found: list[Moment] = []
    for key in keys_of(connection, id_):
        found += _Reader(connection, key, query, attributes).read()
    found = _corrected(found)
    found.sort(key=lambda moment: (moment.time, moment.written))
    return Evolution(kept, found if query.last_n is None else _last(found, query.last_n))


def _corrected(moments: list[Moment]) -> list[Moment]:
    latest: dict[object, Moment] = {}
    for moment in moments:
        observed = moment.instance.get("observedAt")
        place = (moment.attribute, moment.dataset, observed) if observed else moment.id
        other = latest.get(place)
        if other is None or other.written < moment.written:
            latest[place] = moment
    return list(latest.values())


def past_entities(connection: apsw.Connection) -> list[Kept]:
    """The entities of which a past is known that is not their own (no attributes among)."""
    return [
        {**_decode(doc), "attrs": {}}
        for (doc,) in connection.execute("SELECT doc FROM history_entities ORDER BY id")
    ]


def find_instance(connection: apsw.Connection, id_: str, name: str) -> Moment | None:
    """One instance of an entity's history by its instanceId."""
    place = read_instance_id(name)
    if place is None or place[0] not in keys_of(connection, id_):
        return None
    found = evolution(connection, id_, TemporalQuery(time_property="modifiedAt"))
    moments = found.moments if found else []
    return next((moment for moment in moments if moment.id == name), None)


def _described(connection: apsw.Connection, id_: str) -> Kept | None:
    """The entity as it is now, else as far as its past says."""
    row = connection.execute("SELECT doc FROM entities WHERE id = ?", (id_,)).fetchone()
    past = past_of(connection, id_)
    if row is None:
        return {**past[1], "attrs": {}} if past else None
    kept: Kept = _decode(row[0])
    if past is not None:
        kept["type"] = list(dict.fromkeys([*kept["type"], *past[1]["type"]]))
    return kept


def _last(moments: list[Moment], most: int) -> list[Moment]:
    counts: dict[tuple[str, str], int] = {}
    kept: list[Moment] = []
    for moment in reversed(moments):
        place = (moment.attribute, moment.dataset)
        counts[place] = counts.get(place, 0) + 1
        if counts[place] <= most:
            kept.append(moment)
    kept.reverse()
    return kept


class _Reader:
    """Reads the rows of one entity, the latest first, and lays over them what was said later."""

    def __init__(
        self, connection: Any, key: int, query: TemporalQuery, attributes: frozenset[str] | None
    ) -> None:
        self._connection = connection
        self._key = key
        self._query = query
        self._attributes = attributes
        self._revised: dict[str, Instance | None] = {
            instance: _decode(body)
            for instance, body in connection.execute(
                "SELECT instance, body FROM history_revised WHERE e = ?", (key,)
            )
        }
        self._forgotten: dict[tuple[str, str], int] = {
            (attribute, dataset): number
            for attribute, dataset, number in connection.execute(
                "SELECT attribute, dataset, n FROM history_forgotten WHERE e = ?", (key,)
            )
        }

    def read(self) -> list[Moment]:
        """Every instance in the window; with ``last_n`` no more rows than that needs."""
        found: list[Moment] = []
        counts: dict[str, int] = dict.fromkeys(self._attributes or (), 0)
        enough = self._enough()
        for time, number, place, body in self._rows():
            if enough and counts and min(counts.values()) >= enough and time < found[-1].time:
                break
            for moment in self._of_row(number, place, _decode(body)):
                found.append(moment)
                if not moment.dataset and moment.attribute in counts:
                    counts[moment.attribute] += 1
        return found

    def _enough(self) -> int:
        """After how many instances of each attribute asked for reading can end; 0: never."""
        by_rows = self._query.time_property == "observedAt" and not self._revised
        return self._query.last_n or 0 if by_rows and self._attributes else 0

    def _rows(self) -> Any:
        sql = "SELECT t, n, k, body FROM history WHERE e = ?"
        values: list[int] = [self._key]
        by_rows = self._query.time_property == "observedAt" and not self._revised
        if by_rows and self._query.start is not None:
            sql += " AND t >= ?"
            values.append(self._query.start)
        return self._connection.execute(sql + " ORDER BY t DESC, n DESC", values)

    def _of_row(self, number: int, place: int, attributes: Attributes) -> Iterator[Moment]:
        for attribute, instances in attributes.items():
            wanted = self._attributes is None or attribute in self._attributes
            for dataset, instance in instances.items():
                if wanted and not self._is_forgotten(attribute, dataset, number):
                    moment = self._moment(number, place, attribute, dataset, instance)
                    if moment is not None:
                        yield moment
                place += 1

    def _is_forgotten(self, attribute: str, dataset: str, number: int) -> bool:
        if not self._forgotten:
            return False
        last = max(
            self._forgotten.get((attribute, dataset), -1),
            self._forgotten.get((attribute, EVERY), -1),
        )
        return number <= last

    def _moment(
        self, number: int, place: int, attribute: str, dataset: str, instance: Instance
    ) -> Moment | None:
        name = instance_id(self._key, number, place)
        valid = self._revised.get(name, instance)
        time = None if valid is None else time_of(valid, self._query.time_property)
        if valid is None or time is None or not self._query.covers(time):
            return None
        return Moment(time, attribute, dataset, name, valid, (number, place))
