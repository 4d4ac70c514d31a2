"""What is kept of a thing that was refused, so that it can be tried again after a mend.

A row of a device is kept as its values, a payload that could not be read (wholly, or in part) as it
arrived. Written as msgpack.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, TypeAlias

import msgspec

from cityloop.kernel.errors import InputError
from cityloop.standards.attributes import AttributeTable
from cityloop.standards.payloads import Decoder, Message
from cityloop.standards.readings import ABSENT, Decoded, Fault, Faults, Readings, readings_of

MOST_BYTES = 65_536
"""What is longer is told of and counted, but not kept."""
_FAULTS_KEPT = 1000


class KeptRow(msgspec.Struct, frozen=True, array_like=True, tag_field="kept", tag=True):
    """A row that a gate refused, or of which one value was; ``at``: ms since 1970."""

    type: str
    entity: str
    at: int
    values: dict[str, Any]


class KeptMessage(msgspec.Struct, frozen=True, array_like=True, tag_field="kept", tag=True):
    """A message of which something could not be read (``standards.payloads.Message``)."""

    payload: bytes
    received_at: int
    topic: str


Kept: TypeAlias = KeptRow | KeptMessage

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Kept).decode


def write_kept(kept: Kept) -> bytes:
    """``kept`` as bytes; none where it is too long to keep, or cannot be written."""
    try:
        body = _encode(kept)
    except (TypeError, OverflowError):
        return b""
    return body if len(body) <= MOST_BYTES else b""


def read_kept(body: bytes) -> Kept:
    """What ``write_kept`` wrote; raises InputError when it is something else."""
    try:
        kept: Kept = _decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InputError(f"what was kept of a reject cannot be read: {error}") from None
    return kept


def keeping(decoder: Decoder) -> Decoder:
    """``decoder``, with the first fault of each message carrying the message itself.

    Messages are decoded together, and one by one only where there is something to complain of.
    """

    def decode(messages: Sequence[Message]) -> Decoded:
        decoded = decoder(messages)
        if not decoded.faults:
            return decoded
        faults = (fault for message in messages for fault in _faults_of(decoder, message))
        return replace(decoded, faults=tuple(islice(faults, _FAULTS_KEPT)))

    return decode


def _faults_of(decoder: Decoder, message: Message) -> Iterable[Fault]:
    faults = decoder([message]).faults
    if faults:
        kept = write_kept(KeptMessage(message.payload, message.received_at, message.topic))
        yield replace(faults[0], content=kept)
    yield from faults[1:]


def decoded_again(
    kept: Iterable[Kept], table: AttributeTable, decoder: Decoder | None
) -> tuple[Decoded, ...]:
    """What was kept, read once more; messages by ``decoder``, where the source has one."""
    rows: list[KeptRow] = []
    messages: list[Message] = []
    for one in kept:
        if isinstance(one, KeptRow):
            rows.append(one)
        else:
            messages.append(Message(one.payload, one.received_at, one.topic))
    faults = Faults()
    again = [faults.of(_readings(rows, table, faults))]
    if messages and decoder is not None:
        again.append(decoder(messages))
    return tuple(again)


def _readings(rows: Iterable[KeptRow], table: AttributeTable, faults: Faults) -> Iterable[Readings]:
    groups: dict[str, list[KeptRow]] = defaultdict(list)
    for row in rows:
        groups[row.type].append(row)
    for type_, group in groups.items():
        declared = table.get(type_)
        if declared is None:
            for row in group:
                faults.add("", f"undeclared type: no table declares {type_}", entity=row.entity)
            continue
        names = dict.fromkeys(name for row in group for name in row.values)
        cells = {name: [row.values.get(name, ABSENT) for row in group] for name in names}
        entities, times = [row.entity for row in group], [row.at for row in group]
        yield readings_of(declared, type_, entities, times, cells, faults)


def kept_row(type_: str, entity: str, at: int, cells: Mapping[str, Any]) -> bytes:
    """A row as it is kept; ``cells``: attribute → value, NumPy's scalars included."""
    values = {name: cell.item() if hasattr(cell, "item") else cell for name, cell in cells.items()}
    return write_kept(KeptRow(type_, entity, at, values))
