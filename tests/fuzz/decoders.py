"""Coverage-guided fuzzing of every decoder: ``python -m tests.fuzz.decoders FOLDER [options]``.

The options are libFuzzer's; inputs that reach new code are kept in FOLDER. The first byte of an
input picks the decoder, which may give readings and faults, or raise InputError. Anything else ends
the run with the input that did it: another exception, more than 100 ms of CPU (and a microsecond
per byte) for one input, or, by libFuzzer's own limit, growing memory.
"""

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["cityloop.standards"]):
    from tests.standards.arrow_payload import stream
    from tests.standards.payloads import FORMATS, NOW

    from cityloop.kernel.errors import InputError
    from cityloop.standards import mqtt
    from cityloop.standards.arrow import read_batch, read_ids
    from cityloop.standards.arrow_rows import ArrowRows
    from cityloop.standards.attributes import declared
    from cityloop.standards.kept import read_kept
    from cityloop.standards.mapping import Mapped, MappingTable
    from cityloop.standards.ngsild import NgsiLd
    from cityloop.standards.payloads import Decoder, Message
    from cityloop.standards.senml import SenMl

MOST_S, MOST_S_PER_BYTE = 0.1, 1e-6
_NGSI_LD = b'{"id":"urn:ngsi-ld:WeatherObserved:a","type":"WeatherObserved",\
"dateObserved":"2026-05-04T12:00:00Z","temperature":{"type":"Property","value":1,"unitCode":"CEL"}}'
_SENML = b'[{"bn":"urn:dev:roof:","bt":1777897800,"n":"temperature","u":"Cel","v":21.5}]'
_MAPPED = b'{"d":{"t":21.5,"at":1777897800,"who":"roof"}}'
_TABLE = MappingTable(
    type="WeatherObserved", entity="d.who", attributes={"temperature": "d.t"}, time="d.at"
)


@dataclass(frozen=True)
class Target:
    """A decoder under fuzzing, and something good to begin from."""

    seed: bytes
    decode: Callable[[bytes], object]


def _one(decoder: Decoder) -> Callable[[bytes], object]:
    return lambda body: decoder([Message(body, NOW, "a/topic")])


def _stream(version: mqtt.Version) -> Callable[[bytes], object]:
    """What a broker sends, in two pieces; the answers to our own packets by their bodies."""

    def read(body: bytes) -> None:
        reader, half = mqtt.PacketReader(version, 10_000), len(body) // 2
        for packet in [*reader.feed(body[:half]), *reader.feed(body[half:])]:
            if isinstance(packet, mqtt.Other):
                with suppress(InputError):
                    mqtt.read_connack(packet.body, version)
                mqtt.read_suback(packet.body, version)

    return read


_STREAM = b"\x20\x02\x00\x00" + mqtt.write_publish("3.1.1", "a/topic", b"21.5", 7)

TARGETS = {
    **{name: Target(found.good, found.read) for name, found in FORMATS.items()},
    "ngsi-ld": Target(_NGSI_LD, _one(NgsiLd(declared()))),
    "senml": Target(
        _SENML, _one(SenMl(declared(), "WeatherObserved", "urn:ngsi-ld:{type}:{name}", {}))
    ),
    "mapping": Target(_MAPPED, _one(Mapped(declared(), _TABLE))),
    "arrow": Target(
        stream({"id": ["a", None], "intensity": [1.0, 2.0], "vehicleType": ["car", "bus"]}),
        _one(ArrowRows(declared())),
    ),
    "batch": Target(b"CLB\x01", lambda body: read_batch(body, {})),
    "ids": Target(b"", read_ids),
    "kept": Target(b"", read_kept),
    "mqtt 3.1.1": Target(_STREAM, _stream("3.1.1")),
    "mqtt 5": Target(_STREAM, _stream("5")),
}


class SlowError(Exception):
    """An input that takes too long."""


def check(target: Target, body: bytes, *, grace_s: float = 0.0) -> None:
    """One input; raises what a decoder must not."""
    began = time.process_time()
    with suppress(InputError):
        target.decode(body)
    took = time.process_time() - began
    if took > MOST_S + len(body) * MOST_S_PER_BYTE + grace_s:
        raise SlowError(f"{took * 1000:.0f} ms for {len(body)} bytes")


def write_seeds(folder: Path) -> None:
    """A corpus to begin from: the number of a decoder, then something good for it."""
    for number, (name, target) in enumerate(TARGETS.items()):
        (folder / name.replace(" ", "-")).write_bytes(bytes([number]) + target.seed)


def main() -> None:
    corpus = Path(sys.argv[1])
    targets = list(TARGETS.values())
    write_seeds(corpus)
    for target in targets:
        # What is imported late is imported now: no input must pay for it.
        check(target, target.seed, grace_s=10.0)

    def one(data: bytes) -> None:
        if data:
            check(targets[data[0] % len(targets)], data[1:])

    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
