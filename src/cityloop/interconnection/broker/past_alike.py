"""Entities that were put and are written alike, from the log's bytes to rows of the past.

What ``past_rows`` does write by write is done here column by column: a pattern learnt from one
write takes the values out of the others, and the rest is the same text for all. Whatever does not
match is left to ``past_rows``.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from cityloop.standards.cim.drawing import Drawing, Match, Template, template
from cityloop.standards.cim.iris import ASCII_IRI
from cityloop.standards.cim.kept import MEMBERS, Instance, Kept

_MOST_LAYOUTS: Final = 8
_LEARNT_AT_ONCE: Final = 16
_THEN_ONE_IN: Final = 512
_MOST_MARKS: Final = 256
_LONGEST: Final = 16_384
_PUT: Final = b'["put",'

_FREE = frozenset(MEMBERS.values()) | {"observedAt"}
_STAMPS = frozenset({"createdAt", "modifiedAt"})
_TEXT: Final = r'("[^"\\]*(?:\\.[^"\\]*)*")'
_COLUMN_NUMBER: Final = r"(-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,17})?)"
_SECONDS: Final = r'"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-5][0-9]Z)"'
_MILLISECONDS: Final = _SECONDS.replace("Z)", r"\.[0-9]{3}Z)")
_NOTHING: Final = "(?!)"
_AT: Final = 8_000_000_000_001

_TIME = pa.timestamp("ms", "UTC")
_encode = msgspec.json.Encoder().encode


class _Series(NamedTuple):
    """One attribute of a layout. ``time``, ``value``: which of the values found is in these
    columns; -1: none. ``rest``: of a whole number, and of one with a fraction."""

    attribute: str
    dataset: str
    time: int
    value: int
    rest: tuple[Template, Template]


class _Layout(NamedTuple):
    """``numbers``: of the writes that match it; ``found``: the values in each."""

    match: Match
    id: int
    at: int
    series: list[_Series]
    numbers: list[int]
    found: list[tuple[str, ...]]


class AlikeRows:
    """Gathers the rows of writes that are written alike."""

    def __init__(self) -> None:
        self._layouts: list[_Layout] = []
        self._missed = 0
        self._rows = 0

    def __len__(self) -> int:
        return self._rows

    def take(self, number: int, body: bytes) -> bool:
        """Add the rows of the write with a number; False where it matches no layout."""
        if not self._layouts:
            return False
        text = body.decode()
        for layout in self._layouts:
            found = layout.match(text)
            if found is not None:
                layout.numbers.append(number)
                layout.found.append(found.groups())
                self._rows += len(layout.series)
                return True
        return False

    def learn(self, body: bytes) -> None:
        """Learn the layout of a write that ``take`` left."""
        self._missed += 1
        often = self._missed <= _LEARNT_AT_ONCE or not self._missed % _THEN_ONE_IN
        if not often or len(self._layouts) == _MOST_LAYOUTS:
            return
        if len(body) <= _LONGEST and body.startswith(_PUT):
            layout = _learnt(body.decode())
            if layout is not None:
                self._layouts.append(layout)

    def tables(self, schema: pa.Schema) -> Iterator[pa.Table]:
        """The rows, in no order."""
        for layout in self._layouts:
            if layout.numbers:
                yield pa.table(_columns(layout), schema=schema)


def _learnt(text: str) -> _Layout | None:
    kept: Kept = msgspec.json.decode(text)[1]
    if "scope" in kept or not kept["attrs"]:  # it has a past of its own, or nothing to tell
        return None
    drawing = _Drawing()
    drawing.pattern.append(r'\["put",')
    marked = drawing.kept(kept)
    drawing.pattern.append(r"\]")
    if len(drawing.marks) > _MOST_MARKS or any(map(text.__contains__, drawing.marks)):
        return None
    match = drawing.match()
    if drawing.at < 0 or match(text) is None:
        return None
    series = [
        drawing.series(attribute, dataset, instance)
        for attribute, instances in marked["attrs"].items()
        for dataset, instance in instances.items()
    ]
    return _Layout(match, drawing.id, drawing.at, series, [], [])


class _Drawing(Drawing):
    """A Put as the log holds it: every instance was written when the entity was.

    ``id``, ``at``: which of the marks is the entity's id, and when it was written.
    """

    def __init__(self) -> None:
        super().__init__()
        self.id = self.at = -1
        self._times: dict[tuple[str, str], tuple[int, str]] = {}
        self._numbers: dict[tuple[str, str], int] = {}

    def kept(self, sample: Kept) -> Kept:
        """``sample`` with marks in it."""
        return self.object(sample, self._of_entity)

    def _of_entity(self, name: str, value: Any) -> Any:
        if name == "id":
            self.id = len(self.marks)
            return self._bare(f'"({ASCII_IRI})"', "urn:mark:id", value)
        if name == "createdAt":
            self.pattern.append("[0-9]+")
            return value
        if name == "modifiedAt":
            return self._stamp()
        return self.object(value, self._attribute) if name == "attrs" else self.literal(value)

    def _attribute(self, name: str, value: dict[str, Instance]) -> Any:
        def instance(dataset: str, each: Instance) -> Any:
            place = name, dataset
            return self.object(each, lambda member, said: self._member(place, member, said))

        return self.object(value, instance)

    def _member(self, place: tuple[str, str], name: str, value: Any) -> Any:
        if name == "value" and type(value) in (int, float):
            self._numbers[place] = len(self.marks)
            return self._bare(_COLUMN_NUMBER, f"mark {len(self.marks):04}", value)
        if name == "observedAt":
            for pattern, length, form in ((_SECONDS, 20, "s"), (_MILLISECONDS, 24, "ms")):
                if len(value) == length:
                    self._times[place] = len(self.marks), form
                    return self._bare(pattern, f"mark {len(self.marks):04}", value)
            self.pattern.append(_NOTHING)  # its time would not lie in the column
        return self._any_member(name, value)

    def _any_member(self, name: str, value: Any) -> Any:
        if name in _STAMPS:
            return self._stamp()
        if name == "sub":
            return self.object(value, lambda _, each: self.object(each, self._sub))
        return self._free(value) if name in _FREE else self.literal(value)

    def _sub(self, _: str, instance: Instance) -> Any:
        return self.object(instance, self._any_member)

    def _free(self, value: Any) -> Any:
        if type(value) is dict:
            return self.object(value, lambda _, each: self._free(each))
        if type(value) is list:
            return self.list(value, self._free)
        if type(value) in (int, float):
            return self.number()
        pattern = _TEXT if type(value) is str else "(true|false)"
        return self.text(pattern, f"mark {len(self.marks):04}")

    def _bare(self, pattern: str, mark: str, value: Any) -> Any:
        """What goes to a column of its own, and is not marked."""
        self.pattern.append(pattern)
        self.marks.append(mark)
        return value

    def _stamp(self) -> int:
        if self.at < 0:
            self.at = len(self.marks)
            self._bare("(?P<at>[0-9]+)", str(_AT), 0)
        else:
            self.pattern.append("(?P=at)")
        return _AT

    def series(self, attribute: str, dataset: str, marked: Instance) -> _Series:
        """Where the columns of an attribute's rows come from."""
        place = attribute, dataset
        rest = {name: value for name, value in marked.items() if name not in _STAMPS}
        time, form = self._times.get(place, (-1, ""))
        if form:
            rest["observedAt"] = form
        number = self._numbers.get(place, -1)
        forms = [{**rest, "value": zero} if number >= 0 else rest for zero in (0, 0.0)]
        whole, fraction = (template(_encode(each).decode(), self.marks) for each in forms)
        return _Series(attribute, dataset, time, number, (whole, fraction))


def _columns(layout: _Layout) -> list[Any]:
    """The columns of ``past_rows.SCHEMA``: all rows of one attribute, then those of the next."""
    found = list(zip(*layout.found, strict=True))
    count, series = len(layout.numbers), layout.series
    ids: Any = pa.array(found[layout.id]).dictionary_encode()
    at = pa.array(found[layout.at]).cast(pa.int64()).to_numpy()
    written = pa.array(np.tile(at, len(series)), _TIME)
    times = [_times(found[each.time]) if each.time >= 0 else at for each in series]
    rest: list[Any] = [_rest(found, each, count) for each in series]
    return [
        pa.DictionaryArray.from_arrays(np.tile(ids.indices, len(series)), ids.dictionary),
        _repeated([each.attribute for each in series], count),
        _repeated([each.dataset for each in series], count),
        pa.array(np.concatenate(times), _TIME),
        pa.array(np.repeat([each.time >= 0 for each in series], count)),
        *(written, written),
        pa.array(np.tile(layout.numbers, len(series)), pa.int64()),
        pa.array(np.repeat(np.arange(len(series), dtype=np.int32), count)),
        pa.concat_arrays([_numbers(found, each.value, count) for each in series]),
        pa.chunked_array(rest),
    ]


def _times(told: Sequence[str]) -> Any:
    return pa.array(told).cast(_TIME).cast(pa.int64()).to_numpy()


def _repeated(names: list[str], count: int) -> Any:
    distinct = list(dict.fromkeys(names))
    codes = np.array([distinct.index(name) for name in names], np.int32)
    return pa.DictionaryArray.from_arrays(np.repeat(codes, count), distinct)


def _numbers(found: Sequence[tuple[str, ...]], place: int, count: int) -> Any:
    if place < 0:
        return pa.nulls(count, pa.float64())
    return pa.array(found[place]).cast(pa.float64())


def _rest(found: Sequence[tuple[str, ...]], series: _Series, count: int) -> Any:
    whole, fraction = (form.text for form in series.rest)
    if series.value >= 0:
        forms = [fraction if "." in text else whole for text in found[series.value]]
    else:
        forms = [whole] * count
    order = series.rest[0].order
    said = zip(*(found[place] for place in order), strict=True) if order else [()] * count
    filled = [form % values for form, values in zip(forms, said, strict=True)]
    return pa.array(filled).dictionary_encode()
