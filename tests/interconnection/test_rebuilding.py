"""Derived stores are dropped and folded again; logs of older releases open."""

import struct
import zlib
from collections.abc import Callable
from contextlib import closing

import msgspec
import pytest

from cityloop.interconnection.rebuilding import rebuild_context
from cityloop.interconnection.tenant import Place, open_context, open_log
from cityloop.kernel.clock import Clock
from cityloop.kernel.errors import CorruptError
from cityloop.kernel.ports import Batch, Position

Tick = Callable[..., Batch]
_PUT_BACK = "UPDATE batches SET schema = ?, body = ? WHERE position = 1"


def test_a_rebuilt_context_is_the_log_folded_from_nothing(
    place: Place, clock: Clock, tick: Tick
) -> None:
    with closing(open_log(place, clock)) as log, closing(open_context(place, log)) as context:
        log.append([tick(sequence) for sequence in range(1, 9)])
        context.store()
        before = context.entity("Lamp", "urn:ngsi-ld:Lamp:0")
        context._database.execute("DELETE FROM entities WHERE id LIKE '%:0'")  # damaged
        context.save_checkpoint("hub", Position(4), {})

    position, types = rebuild_context(place, clock)

    assert (position, types) == (8, {"LaneDetector": 12, "Lamp": 2, "Meter": 2})
    with closing(open_log(place, clock)) as log, closing(open_context(place, log)) as context:
        assert context.entity("Lamp", "urn:ngsi-ld:Lamp:0") == before != []
        assert context.checkpoint("hub") is None


def test_a_record_of_an_older_layout_is_read_as_one_of_today(
    place: Place, clock: Clock, tick: Tick
) -> None:
    with closing(open_log(place, clock)) as log:
        log.append([Batch("twin", "r1", 1), tick(2)])
        with closing(log.open(readonly=False)) as database:
            database.execute(_PUT_BACK, (1, _as_version_1("twin", "r1", 1)))
        assert [commit.batch for commit in log.read(Position(0), Position(1))] == [
            Batch("twin", "r1", 1)
        ]


def test_a_record_of_a_later_layout_is_refused_and_named(
    place: Place, clock: Clock, tick: Tick
) -> None:
    with closing(open_log(place, clock)) as log:
        log.append([tick(1)])
        with closing(log.open(readonly=False)) as database:
            database.execute("UPDATE batches SET schema = 9")
        with pytest.raises(CorruptError, match="position 1: layout 9"):
            list(log.read(Position(0)))


def _as_version_1(source: str, run: str, sequence: int) -> bytes:
    """As releases wrote it that knew no writes of the API, and no version in the checksum."""
    header = msgspec.msgpack.encode([source, run, sequence, [], []])
    size = struct.pack("<I", len(header))
    rest = header + bytes(-(12 + len(header)) % 8)
    return b"CLB\x01" + struct.pack("<I", zlib.crc32(rest, zlib.crc32(size))) + size + rest
