"""Observations of devices as an Arrow IPC stream: columns in, columns out (Arrow format 1.x, "IPC
streaming format").

The schema's metadata names the entity ``type``; column ``id`` the device, ``observedAt`` a
timestamp with zone (a row without one was observed when it arrived). Every other column is an
attribute; ``unitCode`` in its field's metadata says its unit where that is not the declared one. An
empty cell says nothing. Columns of the declared kind are taken as they are, without a look at a
single cell; others go the way of JSON values, cell by cell.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cityloop.kernel.errors import InputError
from cityloop.kernel.frame import Array, Column
from cityloop.standards.attributes import Attribute, AttributeTable
from cityloop.standards.kept import keeping
from cityloop.standards.payloads import MOST_ENTITIES, Decoder, Message, place_of
from cityloop.standards.readings import (
    ABSENT,
    Decoded,
    Faults,
    Ints,
    Readings,
    Texts,
    column_of,
    converted,
)

MEDIA_TYPE = "application/vnd.apache.arrow.stream"
"""As registered with IANA."""
MARK = b"\xff\xff\xff\xff"
"""How every message of the format begins; no JSON does."""
_ID, _TIME, _TYPE, _UNIT = "id", "observedAt", b"type", b"unitCode"
_MOST_BATCHES = 1000
_MOST_TEXT = 10_000_000
"""Bytes of a column's texts once each is written out; a dictionary may name a long one often."""
_DTYPE: dict[str, Any] = {
    "number": np.float64, "integer": np.int64, "boolean": np.bool_, "text": np.object_,
}  # fmt: skip
_HEADER_TYPE, _HEADER, _DICTIONARY_DATA, _COMPRESSION = 1, 2, 1, 3
_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3
_MICROSECONDS = 1000

Cells = Any
"""An Arrow array of any type; pyarrow's stubs cannot say what ``compute`` gives of one."""


class ArrowRows:
    """``payloads.Decoder`` for the types of ``table``."""

    def __init__(self, table: AttributeTable) -> None:
        self._table = table

    def __call__(self, messages: Sequence[Message]) -> Decoded:
        """All rows of all streams."""
        faults, readings = Faults(), []
        for number, message in enumerate(messages):
            place = place_of(number, message, len(messages))
            try:
                readings += self._stream(message, place, faults)
            except InputError as error:
                faults.add(place, str(error), value=message.payload)
            except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
                why = str(error).partition("\n")[0][:200]
                faults.add(place, f"malformed: no Arrow stream: {why}", value=message.payload)
        return faults.of(readings)

    def _stream(self, message: Message, place: str, faults: Faults) -> list[Readings]:
        _refuse_packed(message.payload)
        with pa.ipc.open_stream(message.payload) as stream:
            declared, type_ = self._declared(stream.schema)
            parts = [_Part(batch, type_, place, faults) for batch in _batches(stream)]
            return [part.readings(declared, message.received_at) for part in parts]

    def _declared(self, schema: pa.Schema) -> tuple[Mapping[str, Attribute], str]:
        """The attributes of the stream's type, and the type."""
        told = (schema.metadata or {}).get(_TYPE)
        if told is None or _ID not in schema.names:
            raise InputError("no entity: the schema has no metadata 'type', or no column 'id'")
        type_ = told.decode(errors="replace")
        if type_ not in self._table:
            raise InputError(f"undeclared type: no table declares {type_[:80]}")
        if len(set(schema.names)) < len(schema.names):
            raise InputError("malformed: two columns have one name")
        return self._table[type_], type_


def also_arrow(decoder: Decoder, table: AttributeTable) -> Decoder:
    """``decoder``, and Arrow streams beside what it reads."""
    arrow = keeping(ArrowRows(table))

    def decode(messages: Sequence[Message]) -> Decoded:
        streams = [message for message in messages if message.payload.startswith(MARK)]
        if not streams:
            return decoder(messages)
        columnar = arrow(streams)
        others = [message for message in messages if not message.payload.startswith(MARK)]
        if not others:
            return columnar
        rest = decoder(others)
        return Decoded(
            columnar.readings + rest.readings,
            columnar.faults + rest.faults,
            columnar.fault_count + rest.fault_count,
        )

    return decode


class _Part:
    """One record batch on its way to ``Readings``."""

    def __init__(self, batch: pa.RecordBatch, type_: str, place: str, faults: Faults) -> None:
        self._batch = batch
        self._type = type_
        self._place = place
        self._faults = faults

    def readings(self, declared: Mapping[str, Attribute], received: int) -> Readings:
        """The rows that name a device; faults tell of the rest."""
        entities = self._entities()
        times = self._times(received)
        nameless = np.flatnonzero(entities == "")
        if len(nameless):
            keep = entities != ""
            for row in nameless.tolist():
                self._faults.add(f"{self._place} row {row}", "no entity: it has no id or no type")
            self._batch = self._batch.filter(pa.array(keep))
            entities, times = entities[keep], times[keep]
        columns = {}
        for field in self._batch.schema:
            if field.name not in (_ID, _TIME):
                column = self._column(field, declared.get(field.name), entities)
                if column is not None:
                    columns[field.name] = column
        return Readings(self._type, entities, times, columns)

    def _entities(self) -> Texts:
        """Ids, shape (n,); empty where there is none."""
        cells: Cells = self._batch.column(_ID)
        if not _is_text(cells.type):
            raise InputError(f"wrong kind: 'id' is {str(cells.type)[:80]}, not text")
        return _texts(cells)

    def _times(self, received: int) -> Ints:
        """Milliseconds since 1970, shape (n,)."""
        if _TIME not in self._batch.schema.names:
            return np.full(self._batch.num_rows, received, np.int64)
        cells: Cells = self._batch.column(_TIME)
        if not pa.types.is_timestamp(cells.type) or cells.type.tz is None:
            kind = str(cells.type)[:80]
            raise InputError(f"wrong time: 'observedAt' is {kind}, not a timestamp with zone")
        counted = cells.view(pa.int64())
        if cells.null_count:
            counted = counted.fill_null(0)
        times = _milliseconds(counted.to_numpy(), cells.type.unit)
        return np.where(_mask(cells), received, times) if cells.null_count else times

    def _column(
        self, field: "pa.Field[Any]", declared: Attribute | None, entities: Texts
    ) -> Column | None:
        """A column in the declared kind and unit; None where nothing of it can be taken."""
        cells: Cells = self._batch.column(field.name)
        unit = (field.metadata or {}).get(_UNIT, b"").decode(errors="replace")
        if declared is None:
            self._faults.add(self._place, "undeclared attribute", attribute=field.name)
            return None
        try:
            if _is_plain(cells.type, declared):
                return _plain(cells, declared, unit)
            return self._looked_at(cells, declared, unit, entities)
        except InputError as error:
            self._faults.add(self._place, str(error), attribute=field.name)
            return None

    def _looked_at(
        self, cells: Cells, declared: Attribute, unit: str, entities: Texts
    ) -> Column | None:
        """A column of another kind: what of it fits all the same, as of values in JSON."""
        values = _values(cells, declared)
        column, bad, why = column_of(values, declared, unit)
        for row in bad:
            where, entity = f"{self._place} row {row}", str(entities[row])
            self._faults.add(where, why, entity=entity, attribute=declared.name, value=values[row])
        gone = column.absent is not None and column.absent.all()
        return None if gone else column


def _batches(stream: pa.RecordBatchStreamReader) -> Iterator[pa.RecordBatch]:
    """The record batches that hold anything, sound and not too many."""
    rows = 0
    for number, batch in enumerate(stream):
        rows += batch.num_rows
        if rows > MOST_ENTITIES:
            raise InputError(f"too many entities: {rows} in one message")
        if number >= _MOST_BATCHES:
            raise InputError(f"too many entities: more than {_MOST_BATCHES} record batches")
        if batch.num_rows:
            batch.validate(full=True)
            yield batch


def _is_text(kind: pa.DataType) -> bool:
    if isinstance(kind, pa.DictionaryType):
        kind = kind.value_type
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _is_plain(kind: pa.DataType, declared: Attribute) -> bool:
    """Whether no cell of such a column needs a closer look."""
    types = pa.types
    match declared.kind:
        case "number":
            return types.is_floating(kind) or types.is_integer(kind)
        case "integer":
            return types.is_integer(kind) and not types.is_uint64(kind)
        case "boolean":
            return types.is_boolean(kind)
        case "text":
            return _is_text(kind)


def _plain(cells: Cells, declared: Attribute, unit: str) -> Column | None:
    absent = _mask(cells) if cells.null_count else None
    if absent is not None and absent.all():
        return None
    if declared.kind == "text":
        return Column(_texts(cells), absent)
    if absent is not None:
        cells = cells.fill_null(False if declared.kind == "boolean" else 0)
    values: Array = cells.to_numpy(zero_copy_only=False).astype(_DTYPE[declared.kind], copy=False)
    try:
        return Column(converted(values, unit, declared), absent)
    except InputError as error:
        raise InputError(f"wrong unit: {error}") from None


def _values(cells: Cells, declared: Attribute) -> list[Any]:
    """A column's cells as JSON would give them; raises InputError where it could not."""
    kind, types = cells.type, pa.types
    if _is_text(kind):
        values = _texts(cells).tolist()
        return [ABSENT if gone else text for text, gone in zip(values, _mask(cells), strict=True)]
    if types.is_floating(kind) or types.is_integer(kind) or types.is_boolean(kind):
        return [ABSENT if cell is None else cell for cell in cells.to_pylist()]
    raise InputError(f"wrong kind: {declared.kind} is declared, not {str(kind)[:80]}")


def _texts(cells: Cells) -> Texts:
    """Texts, shape (n,); empty where there is none. Raises InputError where they are too much."""
    if not pa.types.is_dictionary(cells.type):
        filled = cells.fill_null("") if cells.null_count else cells
        texts: Texts = filled.to_numpy(zero_copy_only=False)
        return texts
    if cells.dictionary.null_count:
        raise InputError("malformed: an empty cell in a dictionary; leave its index empty")
    own = np.append(_texts(cells.dictionary), "")
    lengths = np.append(pc.binary_length(cells.dictionary).to_numpy(), 0)
    rows = pc.cast(cells.indices, pa.int64()).fill_null(len(own) - 1).to_numpy()
    if (size := int(lengths[rows].sum(dtype=np.int64))) > _MOST_TEXT:
        raise InputError(f"too large: a column of {size} bytes of text")
    named: Texts = own[rows]
    return named


def _mask(cells: Cells) -> Any:
    """Which cells are empty, shape (n,)."""
    empty: Cells = pc.is_null(cells)
    return empty.to_numpy(zero_copy_only=False)


def _milliseconds(counted: Ints, unit: str) -> Ints:
    """To the nearest; a time beyond 64 bits is as far away as they reach."""
    if unit == "s":
        most = np.int64(2**63 // _MICROSECONDS - 1)
        return np.clip(counted, -most, most) * _MICROSECONDS
    if unit == "ms":
        return counted
    per_ms = _MICROSECONDS if unit == "us" else _MICROSECONDS**2
    whole, rest = np.divmod(counted, per_ms)
    return whole + (2 * rest >= per_ms)


def _refuse_packed(payload: bytes) -> None:
    """Raise InputError for buffers that are packed: only their sender knows how large they become.

    pyarrow unpacks them unasked, and cannot be told a limit.
    """
    for message in _messages(payload):
        try:
            packed = _is_packed(memoryview(message.metadata))
        except (struct.error, IndexError):
            raise InputError("malformed: no Arrow stream: a message is garbled") from None
        if packed:
            raise InputError(
                "packed: write the stream without compression and send Content-Encoding: gzip"
            )


def _messages(payload: bytes) -> Iterator[pa.ipc.Message]:
    messages = pa.ipc.MessageReader.open_stream(payload)
    while True:
        try:
            yield messages.read_next_message()
        except StopIteration:
            return


def _is_packed(message: memoryview) -> bool:
    """Whether a message's flatbuffer (Arrow's Message.fbs) names a compression of its buffers."""
    table = struct.unpack_from("<I", message)[0]
    kind = _field(message, table, _HEADER_TYPE)
    header = _child(message, table, _HEADER)
    if not kind or not header or message[kind] not in (_DICTIONARY_BATCH, _RECORD_BATCH):
        return False
    if message[kind] == _DICTIONARY_BATCH:
        header = _child(message, header, _DICTIONARY_DATA)
    return bool(header) and bool(_field(message, header, _COMPRESSION))


def _field(message: memoryview, table: int, number: int) -> int:
    """Where a field of a flatbuffer's table lies; 0 where it is not there."""
    layout = table - struct.unpack_from("<i", message, table)[0]
    size = struct.unpack_from("<H", message, layout)[0]
    slot = 4 + 2 * number
    if slot >= size:
        return 0
    offset = struct.unpack_from("<H", message, layout + slot)[0]
    return table + offset if offset else 0


def _child(message: memoryview, table: int, number: int) -> int:
    """Where the table lies that a field refers to; 0 where there is none."""
    at = _field(message, table, number)
    return at + struct.unpack_from("<I", message, at)[0] if at else 0
