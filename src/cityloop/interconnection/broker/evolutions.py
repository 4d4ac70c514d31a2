"""Reads how entities evolved: their instances in a window of time, corrections laid over them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from cityloop.interconnection.broker.corrections import (
    Corrections,
    corrected_by,
    instance_id,
)
from cityloop.interconnection.broker.history import corrections_of
from cityloop.interconnection.broker.past_files import Files, Piece
from cityloop.interconnection.broker.past_rows import (
    Ints,
    changes,
    instances,
    instances_of,
    integers,
    numbered,
    series_of,
    texts,
)
from cityloop.interconnection.broker.past_sights import PastSights
from cityloop.interconnection.broker.ports import Reader
from cityloop.interconnection.broker.tail import Seen
from cityloop.interconnection.sqlite import rows
from cityloop.kernel.ports import Position
from cityloop.standards.cim.evolution import Moment, Summary, time_of
from cityloop.standards.cim.kept import Kept
from cityloop.standards.cim.scope import SCOPE
from cityloop.standards.cim.temporal_query import TemporalQuery
from cityloop.standards.cim.times import read_datetime

_decode = msgspec.json.Decoder().decode
_COLUMNS = {"observedAt": "time", "createdAt": "createdAt", "modifiedAt": "modifiedAt"}
_DESCRIBED = "SELECT id, doc FROM described WHERE ?1 OR json_extract(doc, '$.deletedAt') IS NULL"
_EVERYTHING = TemporalQuery(time_property="modifiedAt")


class Evolution(NamedTuple):
    """What an entity is and, in the order of time, the instances of its attributes.

    ``summaries``: what they come to, where a query of many entities asks for that alone.
    """

    kept: Kept
    moments: list[Moment]
    summaries: Sequence[Summary] = ()


@dataclass(frozen=True)
class PastReader:
    """The history at one moment: the files, and in the tail what came after their position.

    ``entities``: the tables of the entities as they are now; ``sights``: what sources said of
    them, in a city.
    """

    entities: Reader
    files: Files
    tail: Seen
    sights: PastSights | None = None

    @property
    def start(self) -> int:
        """The number of the first write that is not in the files."""
        return numbered(Position(self.files.position + 1), 0)

    def evolution(
        self, id_: str, query: TemporalQuery, attributes: frozenset[str] | None = None
    ) -> Evolution | None:
        """How an entity evolved in the window, of each attribute the last N; None: it is unknown.

        Of two instances of one attribute and datasetId that were observed at the same time the one
        written later counts: it corrects the other.
        """
        known = self.corrections(id_)
        kept = self._described(id_, known)
        if kept is None:
            return None
        wanted = _Wanted(query, attributes, known)
        found = list(self._newest(id_, wanted))
        if self.sights is not None:
            found += self.sights.moments(kept, query, attributes)
        pieces = [piece for segment in self.files.segments for piece in segment.of(id_)]
        latest = _Latest(query.last_n if wanted.is_by_time else None, attributes)
        latest.add(found)
        for piece in sorted(pieces, key=lambda piece: piece.until, reverse=True):
            if not latest.beyond(piece):
                more = wanted.of_rows(piece.table())
                latest.add(more)
                found += more
        moments = wanted.settled(_corrected(found))
        return Evolution(kept, moments if query.last_n is None else _last(moments, query.last_n))

    def instance(self, id_: str, name: str) -> Moment | None:
        """One instance of an entity's history by its instanceId."""
        found = self.evolution(id_, _EVERYTHING)
        moments = found.moments if found else []
        return next((moment for moment in moments if moment.id == name), None)

    def of_past(self, *, deleted: bool) -> list[Kept]:
        """Entities whose past was written to as such, those ``deleted`` too (no attributes)."""
        known: dict[str, Kept | None] = {
            id_: _decode(doc) for id_, doc in rows(self.files.connection, _DESCRIBED, (deleted,))
        }
        for id_ in {*self.tail.of_past(), *self.tail.corrected()}:
            known[id_] = self.corrections(id_).described
        return [
            {**described, "attrs": {}}
            for described in known.values()
            if described and (deleted or "deletedAt" not in described)
        ]

    def corrections(self, id_: str) -> Corrections:
        """What is to be laid over the instances of an entity."""
        known = corrections_of(self.files.connection, id_)
        return corrected_by(self.tail.of(id_, self.start), known)

    def described(self, id_: str) -> Kept | None:
        """The entity as it is now, else as far as its past says."""
        return self._described(id_, self.corrections(id_))

    def _described(self, id_: str, known: Corrections) -> Kept | None:
        doc = self.entities.document(id_)
        past = known.described
        if doc is None:
            return {**past, "attrs": {}} if past else None
        kept: Kept = _decode(doc)
        kept.pop("scope", None)  # its instances tell of it
        if past is not None:
            kept["type"] = list(dict.fromkeys([*kept["type"], *past["type"]]))
            kept |= {"scope": past["scope"]} if "scope" in past else {}
        return kept

    def _newest(self, id_: str, wanted: "_Wanted") -> Iterator[Moment]:
        for number, write in self.tail.of(id_, self.start):
            for place, (attribute, dataset, instance) in enumerate(instances_of(write)):
                if wanted.means(attribute, dataset, number):
                    time = time_of(instance, wanted.time_property)
                    if time is not None and wanted.covers(attribute, time):
                        name = instance_id(number, place)
                        yield Moment(time, attribute, dataset, name, instance, (number, place))


class _Latest:
    """Knows of each series whether its last N are found, so that older rows need not be read."""

    def __init__(self, most: int | None, attributes: frozenset[str] | None) -> None:
        self._most = most
        self._attributes = attributes
        self._times: dict[tuple[str, str], set[int]] = {}

    def add(self, moments: Sequence[Moment]) -> None:
        """So much is found."""
        if self._most is not None:
            for moment in moments:
                self._times.setdefault((moment.attribute, moment.dataset), set()).add(moment.time)

    def beyond(self, piece: Piece) -> bool:
        """Whether a piece holds nothing but what is older than the last N of its series."""
        most = self._most
        if most is None:
            return False
        for attribute, dataset in piece.series():
            if self._attributes is not None and attribute not in self._attributes:
                continue
            times = self._times.get((attribute, dataset), set())
            if len(times) < most or sorted(times)[-most] <= piece.until:
                return False
        return True


class _Wanted:
    """Which instances of one entity are asked for.

    Where some were revised, their times may have changed: then all are read and looked at.
    """

    def __init__(
        self, query: TemporalQuery, attributes: frozenset[str] | None, known: Corrections
    ) -> None:
        self._query = query
        self._attributes = attributes
        self._known = known
        self._all = bool(known.revised) or query.time_property not in _COLUMNS
        self.time_property = "modifiedAt" if self._all else query.time_property

    @property
    def is_by_time(self) -> bool:
        """Whether the last ones are the last rows of a series."""
        return self.time_property == "observedAt"

    def means(self, attribute: str, dataset: str, number: int) -> bool:
        """Whether the attribute is asked for and not forgotten."""
        if self._attributes is not None and attribute not in self._attributes:
            return False
        return number > self._known.until(attribute, dataset)

    def covers(self, attribute: str, time: int) -> bool:
        """Whether a time is asked for, or tells of what was in force then."""
        return self._all or self._query.covers(time) or self._may_be_in_force(attribute, time)

    def _may_be_in_force(self, attribute: str, time: int) -> bool:
        """A scope is valid "from the time it has been set" (4.18), also before the window."""
        query = self._query
        told = attribute == SCOPE and query.time_property != "deletedAt"
        return told and query.start is not None and time < query.start

    def of_rows(self, table: pa.Table) -> list[Moment]:
        """Those among the rows of a file; of each series no more than the last N."""
        times, numbers = integers(table, _COLUMNS[self.time_property]), integers(table, "write")
        series = series_of(table)
        starts = changes(series)
        firsts = table.take(pa.array(starts, pa.int64()))
        attributes, datasets = texts(firsts["attribute"]), texts(firsts["datasetId"])
        ends = [*starts[1:].tolist(), len(series)]
        picked: list[Ints] = []
        for start, end, attribute, dataset in zip(
            starts.tolist(), ends, attributes, datasets, strict=True
        ):
            if self._attributes is None or attribute in self._attributes:
                forgotten = self._known.until(attribute, dataset)
                own = slice(start, end)
                found = self._of_series(times[own], numbers[own], forgotten, attribute)
                picked.append(start + found)
        return self._moments(table, times, numbers, np.concatenate(picked)) if picked else []

    def _of_series(self, times: Ints, numbers: Ints, forgotten: int, attribute: str) -> Ints:
        keep = numbers > forgotten
        query = self._query
        if not self._all:
            if query.start is not None and not self._may_be_in_force(attribute, query.start - 1):
                keep &= times >= query.start
            if query.end is not None:
                keep &= times < query.end
        found: Ints = np.flatnonzero(keep)
        if self._all or query.last_n is None or len(found) <= query.last_n:
            return found
        if self.time_property != "observedAt":
            found = found[np.lexsort((numbers[found], times[found]))]
        return found[-query.last_n :]

    def _moments(self, table: pa.Table, times: Ints, numbers: Ints, picked: Ints) -> list[Moment]:
        attributes, datasets, places = (
            table[name].take(picked).to_pylist() for name in ("attribute", "datasetId", "place")
        )
        return [
            Moment(time, attribute, dataset, instance_id(number, place), instance, (number, place))
            for time, attribute, dataset, number, place, instance in zip(
                *(times[picked].tolist(), attributes, datasets, numbers[picked].tolist(), places),
                instances(table, picked),
                strict=True,
            )
        ]

    def settled(self, moments: list[Moment]) -> list[Moment]:
        """What they are now, in the order of the time that is asked for."""
        if self._all:
            moments = _corrected([valid for moment in moments for valid in self._valid(moment)])
        moments.sort(key=lambda moment: (moment.time, moment.written))
        return self._in_force(moments)

    def _in_force(self, moments: list[Moment]) -> list[Moment]:
        """Without the scopes from before the window, but for the one that was valid as it began."""
        early = [each for each in moments if self._may_be_in_force(each.attribute, each.time)]
        if not early:
            return moments
        dropped = early if "deletedAt" in early[-1].instance else early[:-1]
        ids = {moment.id for moment in dropped}
        return [moment for moment in moments if moment.id not in ids]

    def _valid(self, moment: Moment) -> Iterator[Moment]:
        instance = self._known.revised.get(moment.written, moment.instance)
        time = None if instance is None else time_of(instance, self._query.time_property)
        if instance is None or time is None:
            return
        if self._query.covers(time) or self._may_be_in_force(moment.attribute, time):
            yield moment._replace(time=time, instance=instance)


def _corrected(moments: list[Moment]) -> list[Moment]:
    latest: dict[object, Moment] = {}
    for moment in moments:
        told = moment.instance.get("observedAt")
        place = (moment.attribute, moment.dataset, read_datetime(told)) if told else moment.id
        other = latest.get(place)
        if other is None or other.written < moment.written:
            latest[place] = moment
    return list(latest.values())


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
