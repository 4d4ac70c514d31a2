"""What a bus carries: a commit cut into letters, one for each type and partition of it.

The body of a letter of form "frame" or "rows" is an Arrow IPC stream (``application/vnd.apache.
arrow.stream``) of one record batch: columns ``id``, ``observedAt`` (timestamp, ms, UTC) and one for
each attribute; the schema's metadata names ``type`` and ``run``. It is what ``arrow_rows`` reads,
so one city's bus can be another city's source. An empty cell says nothing; where a null was said,
a column ``NAME?null`` says so. Form "changes" is a msgpack list of changes that no frame can
hold, "writes" a JSON list of what clients of the NGSI-LD API did. "left-out": a single row or
change is larger than a message may be; it is in the log.
"""

import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cityloop.kernel.changes import Change, Operation
from cityloop.kernel.clock import CityTime, WallTime
from cityloop.kernel.errors import InputError
from cityloop.kernel.frame import Column, EntityIds, Frame
from cityloop.kernel.ports import Commit, Letter, Position
from cityloop.kernel.rows import Rows
from cityloop.standards.arrow_columns import ARROW, read_column, write_column

SCHEMA = 1
"""Version of what letters hold; a reader refuses a newer one."""
WRITES = "_writes"
"""The word for the type in the subject of what clients of the API did."""
FRAME, ROWS, CHANGES, WRITTEN, LEFT_OUT = "frame", "rows", "changes", "writes", "left-out"

Content: TypeAlias = Frame | Rows | tuple[Change, ...] | tuple[bytes, ...]

_TIME = pa.timestamp("ms", "UTC")
_LETTER_OF = {kind: letter for letter, kind in ARROW.items()}
_NULL = "?null"
_STREAM_BYTES = 4096
"""More than the headers of a letter take, and the brackets of a list."""


class _Change(msgspec.Struct, frozen=True):
    type: str
    entity: str
    attribute: str
    run: str
    observed_at: int
    value: Any
    operation: Operation
    dataset_id: str
    extras: dict[str, Any]


_read_changes = msgspec.msgpack.Decoder(list[_Change]).decode
_read_writes = msgspec.json.Decoder(tuple[msgspec.Raw, ...]).decode

_names: "WeakKeyDictionary[EntityIds, pa.Array[Any]]" = WeakKeyDictionary()
_partitions: WeakKeyDictionary[EntityIds, dict[int, npt.NDArray[np.int64]]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Cut:
    """How commits are cut: into so many partitions of each type, letters of at most so many bytes,
    headers included.
    """

    partitions: int = 1
    most_bytes: int = 1 << 20

    def told(self) -> str:
        """As a letter names it."""
        return f"{self.partitions}/{self.most_bytes}"

    @staticmethod
    def of(told: str) -> "Cut":
        """The one that a letter names; raises InputError where it names none."""
        found = re.fullmatch(r"(\d+)/(\d+)", told)
        if not found:
            raise InputError(f"a letter's cut is {told[:40]!r}, not PARTITIONS/BYTES")
        return Cut(int(found[1]), int(found[2]))


def subject(tenant: str, type_: str, partition: int) -> str:
    """``cityloop.TENANT.TYPE.PARTITION``; what a subject's word may not hold, as %XX of UTF-8."""
    return f"cityloop.{tenant}.{word(type_)}.{partition}"


def word(text: str) -> str:
    """One word of a subject, or a header's value, of any text."""
    return re.sub(r"[^A-Za-z0-9_:-]", _percent, text)


def _percent(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode())


def unword(text: str) -> str:
    """The text that ``word`` wrote."""
    parts = re.split(r"((?:%[0-9A-F]{2})+)", text)
    return "".join(
        bytes.fromhex(part.replace("%", "")).decode(errors="replace") if row % 2 else part
        for row, part in enumerate(parts)
    )


def fits(pattern: str, name: str) -> bool:
    """Whether a subject fits a pattern (``*`` one word, ``>`` one or more to the end)."""
    wanted, there = pattern.split("."), name.split(".")
    if wanted[-1] == ">":
        wanted = wanted[:-1]
        if len(there) <= len(wanted):
            return False
        there = there[: len(wanted)]
    return len(wanted) == len(there) and all(
        one in ("*", two) for one, two in zip(wanted, there, strict=True)
    )


# writing


def write_letters(commit: Commit, tenant: str, cut: Cut) -> list[Letter]:
    """All that a commit holds, always in the same letters in the same order."""
    batch = commit.batch
    written: list[tuple[str, str, bytes]] = []
    for part in batch.parts:
        written += _written_part(part, tenant, cut)
    written += _written_changes(batch.changes, tenant, cut)
    if batch.writes:
        name = subject(tenant, WRITES, 0)
        written += [(name, *packed) for packed in _lists(batch.writes, WRITTEN, cut)]
    head = commit.committed_at, batch.source, batch.run, batch.sequence
    return [
        Letter(name, commit.position, number, len(written), *head, form, body, cut.told())
        for number, (name, form, body) in enumerate(written, 1)
    ]


def _written_part(part: Frame | Rows, tenant: str, cut: Cut) -> Iterator[tuple[str, str, bytes]]:
    form = FRAME if isinstance(part, Frame) else ROWS
    whole = _record_batch(part)
    for number, rows in _by_partition(part, cut.partitions):
        record = whole if rows is None else whole.take(rows)
        name = subject(tenant, part.type, number)
        for body in _streams(record, cut.most_bytes - _STREAM_BYTES):
            too_large = len(body) > cut.most_bytes - _STREAM_BYTES
            yield name, *(_left_out(len(body)) if too_large else (form, body))


def _by_partition(
    part: Frame | Rows, count: int
) -> Iterator[tuple[int, npt.NDArray[np.int64] | None]]:
    """(partition, its rows) of those that have any; None for all rows."""
    if count == 1:
        if len(part):
            yield 0, None
        return
    of_ids = partitions_of(part.ids, count)
    of_rows = of_ids[part.entity] if isinstance(part, Rows) else of_ids
    for number in np.unique(of_rows).tolist():
        yield number, np.flatnonzero(of_rows == number)


def partitions_of(ids: EntityIds, count: int) -> npt.NDArray[np.int64]:
    """The partition of each entity, shape (n,): CRC-32 of its id modulo ``count``."""
    known = _partitions.setdefault(ids, {})
    if count not in known:
        crcs = (zlib.crc32(name.encode()) % count for name in ids.names)
        known[count] = np.fromiter(crcs, np.int64, len(ids))
    return known[count]


def _record_batch(part: Frame | Rows) -> pa.RecordBatch:
    names = _names.get(part.ids)
    if names is None:
        names = _names[part.ids] = pa.array(part.ids.names, pa.string())
    if isinstance(part, Frame):
        times = np.full(len(part), part.observed_at, np.int64)
    else:
        names, times = names.take(pa.array(part.entity, pa.int32())), part.observed_at
    arrays: dict[str, Any] = {"id": names, "observedAt": pa.array(times).cast(_TIME)}
    for attribute, column in part.columns.items():
        arrays |= _cells(f"{part.type}.{attribute}", attribute, column)
    metadata: dict[bytes | str, bytes | str] = {"type": part.type, "run": part.run}
    fields = [pa.field(name, array.type) for name, array in arrays.items()]
    schema = pa.schema(fields, metadata=metadata)
    return pa.RecordBatch.from_arrays(list(arrays.values()), schema=schema)


def _cells(place: str, attribute: str, column: Column) -> dict[str, Any]:
    hidden, null = column.absent, column.null
    if null is not None:
        null = null if column.absent is None else null & ~column.absent
        hidden = null if hidden is None else hidden | null
    arrays = {attribute: write_column(place, Column(column.values, None, hidden))}
    if null is not None and null.any():
        arrays[attribute + _NULL] = write_column(place, Column(null))
    return arrays


def _streams(record: pa.RecordBatch, most: int) -> Iterator[bytes]:
    """The rows as streams of at most so many bytes; one that is larger has a single row."""
    body = _stream(record)
    if len(body) <= most or record.num_rows < 2:
        yield body
        return
    pieces = min(record.num_rows, -(-len(body) // most) + 1)
    cuts = np.linspace(0, record.num_rows, pieces + 1).astype(int).tolist()
    for first, end in pairwise(cuts):
        yield from _streams(record.slice(first, end - first), most)


def _stream(record: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, record.schema) as stream:
        stream.write_batch(record)
    return sink.getvalue().to_pybytes()


def _written_changes(
    changes: Sequence[Change], tenant: str, cut: Cut
) -> Iterator[tuple[str, str, bytes]]:
    groups: dict[str, list[bytes]] = {}
    for change in changes:
        number = zlib.crc32(change.entity.encode()) % cut.partitions
        name = subject(tenant, change.type, number)
        groups.setdefault(name, []).append(msgspec.msgpack.encode(change))
    for name, bodies in groups.items():
        for form, body in _lists(bodies, CHANGES, cut):
            yield name, form, body


def _lists(bodies: Iterable[bytes], form: str, cut: Cut) -> Iterator[tuple[str, bytes]]:
    """Lists of what is encoded already, in order, each as long as it may be."""
    most = cut.most_bytes - _STREAM_BYTES
    encode = msgspec.msgpack.encode if form == CHANGES else msgspec.json.encode
    held: list[msgspec.Raw] = []
    size = 0
    for body in bodies:
        if held and size + len(body) > most:
            yield form, encode(held)
            held, size = [], 0
        if len(body) > most:
            yield _left_out(len(body))
        else:
            held.append(msgspec.Raw(body))
            size += len(body) + 1
    if held:
        yield form, encode(held)


def _left_out(size: int) -> tuple[str, bytes]:
    return LEFT_OUT, msgspec.json.encode({"bytes": size})


# reading


def read_letter(letter: Letter) -> Content:
    """What it says; nothing, as a tuple, of one that was left out.

    Raises InputError for a body that is none.
    """
    try:
        match letter.form:
            case "frame" | "rows":
                return _read_part(letter)
            case "changes":
                return tuple(map(_read_change, _read_changes(letter.body)))
            case "writes":
                return tuple(bytes(raw) for raw in _read_writes(letter.body))
            case "left-out":
                return ()
    except (msgspec.MsgspecError, pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise InputError(f"a letter of {letter.subject} cannot be read: {error}") from error
    raise InputError(f"a letter of {letter.subject} has form {letter.form[:40]!r}; update cityloop")


def _read_change(told: _Change) -> Change:
    return Change(**{**msgspec.structs.asdict(told), "observed_at": CityTime(told.observed_at)})


def _read_part(letter: Letter) -> Frame | Rows:
    with pa.ipc.open_stream(letter.body) as stream:
        record, told = stream.read_next_batch(), stream.schema.metadata or {}
    type_, run = told[b"type"].decode(), told[b"run"].decode()
    times: npt.NDArray[np.int64] = record.column("observedAt").cast(pa.int64()).to_numpy()
    columns = {
        name: _read_cells(record, name)
        for name in record.schema.names[2:]
        if not name.endswith(_NULL)
    }
    if letter.form == FRAME:
        return Frame(type_, run, CityTime(int(times[0])), _ids(record.column("id")), columns)
    named = record.column("id").dictionary_encode()
    entity = named.indices.to_numpy()
    return Rows(type_, run, _ids(named.dictionary), entity, times, columns)


def _ids(cells: Any) -> EntityIds:
    return EntityIds(cells.to_pylist())


def _read_cells(record: pa.RecordBatch, name: str) -> Column:
    cells = record.column(name)
    values, hidden = read_column(cells, _LETTER_OF[cells.type])
    if name + _NULL not in record.schema.names:
        return Column(values, hidden)
    null = read_column(record.column(name + _NULL), "?")[0].view(np.bool_)
    absent = None if hidden is None else hidden & ~null
    return Column(values, absent if absent is not None and absent.any() else None, null)


# headers


def write_headers(letter: Letter, tenant: str) -> dict[str, str]:
    """What a letter says beside its body."""
    return {
        "Cityloop-Tenant": tenant,
        "Cityloop-Position": str(letter.position),
        "Cityloop-Part": f"{letter.part}/{letter.parts}",
        "Cityloop-After": str(letter.after),
        "Cityloop-Committed": str(letter.committed_at),
        "Cityloop-Source": word(letter.source),
        "Cityloop-Run": word(letter.run),
        "Cityloop-Sequence": str(letter.sequence),
        "Cityloop-Form": letter.form,
        "Cityloop-Cut": letter.cut,
        "Cityloop-Schema": str(SCHEMA),
    }


def read_headers(name: str, headers: Mapping[str, str], body: bytes) -> Letter:
    """The letter of a subject, its headers and body; raises InputError for one that is none or
    newer than this release.
    """
    try:
        if int(headers["Cityloop-Schema"]) > SCHEMA:
            raise InputError(f"{name}: a letter of a newer release; update cityloop")
        part, _, parts = headers["Cityloop-Part"].partition("/")
        return Letter(
            name,
            Position(int(headers["Cityloop-Position"])),
            int(part),
            int(parts),
            WallTime(int(headers["Cityloop-Committed"])),
            unword(headers["Cityloop-Source"]),
            unword(headers["Cityloop-Run"]),
            int(headers["Cityloop-Sequence"]),
            headers["Cityloop-Form"],
            body,
            headers["Cityloop-Cut"],
            Position(int(headers["Cityloop-After"])),
        )
    except (KeyError, ValueError) as error:
        raise InputError(f"{name}: no letter of a city: {error}") from error
