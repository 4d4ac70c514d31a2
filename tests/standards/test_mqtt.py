"""MQTT packets: whatever pieces a stream comes in, the same packets come out."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityloop.kernel.errors import InputError
from cityloop.standards import mqtt
from cityloop.standards.mqtt import Other, PacketReader, Publish

versions = st.sampled_from(["3.1.1", "5"])
topics = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200)
messages = st.tuples(topics, st.binary(max_size=300), st.integers(1, 65535))


@given(versions, st.lists(messages, max_size=5), st.lists(st.integers(1, 40), min_size=1))
def test_messages_survive_any_cutting_of_the_stream(
    version: mqtt.Version, sent: list[tuple[str, bytes, int]], pieces: list[int]
) -> None:
    stream = b"".join(mqtt.write_publish(version, *one) for one in sent) + mqtt.write_pingreq()
    reader, got, turn = PacketReader(version, 1000), [], 0
    while stream:
        size = pieces[turn % len(pieces)]
        got += reader.feed(stream[:size])
        stream, turn = stream[size:], turn + 1
    told = [Publish(topic, payload, number, False) for topic, payload, number in sent]
    assert got == [*told, Other(12, b"")]


@given(versions, st.integers(1, 5000), st.integers(1, 300))
def test_a_payload_above_the_limit_is_named_but_never_held(
    version: mqtt.Version, extra: int, piece: int
) -> None:
    reader = PacketReader(version, 500)
    stream = mqtt.write_publish(version, "a/b", bytes(500 + extra), 7)
    stream += mqtt.write_publish(version, "a/b", b"small", 8)
    got = [
        one for at in range(0, len(stream), piece) for one in reader.feed(stream[at : at + piece])
    ]
    assert got == [Publish("a/b", None, 7, False), Publish("a/b", b"small", 8, False)]


@given(versions, st.lists(st.binary(max_size=60), max_size=4))
def test_bytes_from_elsewhere_are_packets_or_refused(
    version: mqtt.Version, noise: list[bytes]
) -> None:
    reader = PacketReader(version, 50)
    try:
        for piece in noise:
            reader.feed(piece)
    except InputError:
        return


@given(versions, st.binary(max_size=30))
def test_answers_of_a_broker_are_read_or_refused(version: mqtt.Version, body: bytes) -> None:
    for read in (mqtt.read_connack, mqtt.read_suback):
        try:
            read(body, version)
        except InputError:
            continue


def test_connack_tells_the_brokers_window() -> None:
    properties = struct.pack("!BHBH", 0x21, 20, 0x22, 10)
    body = b"\x01\x00" + bytes((len(properties),)) + properties
    assert mqtt.read_connack(body, "5") == mqtt.Connected("", True, 20)
    assert mqtt.read_connack(b"\x00\x05", "3.1.1").refused == "not authorised"


def test_a_topic_that_is_no_text_is_refused() -> None:
    with pytest.raises(InputError, match="not UTF-8"):
        PacketReader("3.1.1", 100).feed(b"\x30\x04\x00\x02\xff\xfe")


def test_pubacks_are_four_bytes_each() -> None:
    assert mqtt.write_pubacks([1, 65535]) == b"\x40\x02\x00\x01\x40\x02\xff\xff"
