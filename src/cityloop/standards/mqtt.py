"""MQTT 3.1.1 and 5 for a client: packets to send, and packets out of a stream of bytes.

paho-mqtt does the same and more, but takes twenty times the CPU per message, more than a core for
the 8,000 a second that a city is to take (``benchmarks.mqtt_clients``; docs/explanation/sources.md
says the rest). Here a PUBLISH is cut out of the stream with a few operations, and a thousand
PUBACKs are one write.

Sections are those of the OASIS standard, version 5.0.
"""

import struct
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from cityloop.kernel.errors import InputError

Version = Literal["3.1.1", "5"]

CONNACK, PUBLISH, PUBACK, PUBREC, PUBCOMP, SUBACK, PINGRESP, DISCONNECT = 2, 3, 4, 5, 7, 9, 13, 14
_LEVEL = {"3.1.1": 4, "5": 5}
_SESSION_EXPIRY, _RECEIVE_MAXIMUM, _MAXIMUM_PACKET = 0x11, 0x21, 0x27
_PROPERTY_BYTES = {
    0x11: 4, 0x13: 2, 0x17: 1, 0x19: 1, 0x21: 2, 0x22: 2, 0x24: 1, 0x25: 1, 0x27: 4, 0x28: 1,
    0x29: 1, 0x2A: 1, 0x01: 1, 0x02: 4, 0x18: 4, 0x23: 2,
}  # fmt: skip
"""Bytes of the properties of a fixed size (2.2.2.2); the others begin with their length."""
_PAIR, _VARINT = 0x26, 0x0B

_REFUSALS = {
    1: "unacceptable protocol version", 2: "client id rejected", 3: "server unavailable",
    4: "bad user name or password", 5: "not authorised",
    0x80: "unspecified error", 0x81: "malformed packet", 0x82: "protocol error",
    0x84: "unsupported protocol version", 0x85: "client id not valid",
    0x86: "bad user name or password", 0x87: "not authorised", 0x88: "server unavailable",
    0x89: "server busy", 0x8A: "banned", 0x8B: "server shutting down", 0x8D: "keep alive timeout",
    0x8E: "session taken over by another client with this id", 0x8F: "topic filter invalid",
    0x90: "topic name invalid", 0x93: "receive maximum exceeded", 0x95: "packet too large",
    0x97: "quota exceeded", 0x98: "administrative action", 0x9C: "use another server",
    0x9D: "server moved", 0x9E: "shared subscriptions not supported",
    0x9F: "connection rate exceeded", 0xA2: "wildcard subscriptions not supported",
}  # fmt: skip


class Publish(NamedTuple):
    """A message. ``packet_id`` is to be acknowledged; 0 where it need not be (QoS 0). ``payload``
    is None where it was larger than the reader takes.
    """

    topic: str
    payload: bytes | None
    packet_id: int
    retained: bool


class Other(NamedTuple):
    """Any other packet: its kind and what follows the fixed header."""

    kind: int
    body: bytes


class Connected(NamedTuple):
    """The server's answer to CONNECT. ``refused``: why not, empty when it did."""

    refused: str
    session_present: bool
    receive_maximum: int


def refusal(code: int) -> str:
    """A reason code in words."""
    return _REFUSALS.get(code, f"reason code {code}")


def _varint(value: int) -> bytes:
    out = bytearray()
    while True:
        value, low = divmod(value, 128)
        out.append(low | 0x80 if value else low)
        if not value:
            return bytes(out)


def _text(text: str) -> bytes:
    body = text.encode()
    if len(body) > 65535:
        raise InputError("a text of an MQTT packet is at most 65,535 bytes long")
    return struct.pack("!H", len(body)) + body


def _packet(first: int, body: bytes) -> bytes:
    return bytes((first,)) + _varint(len(body)) + body


def write_connect(
    version: Version,
    client_id: str,
    *,
    keep_alive_s: int,
    credentials: tuple[str, str] | None,
    receive_maximum: int,
    maximum_packet: int,
    session_s: int,
) -> bytes:
    """CONNECT (3.1) for a session that outlives the connection: ``session_s`` on 5, as long as the
    server keeps it on 3.1.1.
    """
    flags = 0x00 if session_s else 0x02
    rest = _text(client_id)
    if credentials is not None:
        flags |= 0xC0
        rest += _text(credentials[0]) + _text(credentials[1])
    head = _text("MQTT") + bytes((_LEVEL[version], flags)) + struct.pack("!H", keep_alive_s)
    if version == "5":
        properties = struct.pack("!BI", _SESSION_EXPIRY, session_s)
        properties += struct.pack("!BH", _RECEIVE_MAXIMUM, receive_maximum)
        properties += struct.pack("!BI", _MAXIMUM_PACKET, maximum_packet)
        head += _varint(len(properties)) + properties
    return _packet(0x10, head + rest)


def read_connack(body: bytes, version: Version) -> Connected:
    """CONNACK (3.2); raises InputError when it is cut."""
    if len(body) < 2:
        raise InputError("CONNACK is cut")
    window = 65535
    if version == "5" and len(body) > 2:
        window = _read_properties(body, 2).get(_RECEIVE_MAXIMUM, window)
    return Connected(refusal(body[1]) if body[1] else "", bool(body[0] & 1), window)


def _read_properties(body: bytes, at: int) -> dict[int, int]:
    """The properties that are numbers; raises InputError for what is none."""
    size, at = _read_varint(body, at)
    end, found = at + size, {}
    if end > len(body):
        raise InputError("the properties of an MQTT packet are cut")
    while at < end:
        code, at = body[at], at + 1
        if code in _PROPERTY_BYTES:
            width = _PROPERTY_BYTES[code]
            found[code] = int.from_bytes(body[at : at + width], "big")
            at += width
        elif code == _VARINT:
            found[code], at = _read_varint(body, at)
        else:
            for _ in range(2 if code == _PAIR else 1):
                at += 2 + int.from_bytes(body[at : at + 2], "big")
    if at != end:
        raise InputError("the properties of an MQTT packet are garbled")
    return found


def _read_varint(body: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in (0, 7, 14, 21):
        if at >= len(body):
            break
        byte = body[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise InputError("a length of an MQTT packet is garbled")


def write_subscribe(
    version: Version, packet_id: int, topics: Sequence[tuple[str, int]], *, retained: bool = True
) -> bytes:
    """SUBSCRIBE (3.8) to topic filters, each with its QoS. ``retained``: send what is retained
    (on 3.1.1 it always comes).
    """
    body = struct.pack("!H", packet_id) + (b"\0" if version == "5" else b"")
    options = 0 if retained or version != "5" else 0x20
    for topic, qos in topics:
        body += _text(topic) + bytes((qos | options,))
    return _packet(0x82, body)


def read_suback(body: bytes, version: Version) -> tuple[int, list[int]]:
    """SUBACK (3.9): the packet id and the reason code of each topic; from 0x80 on it is refused."""
    if len(body) < 3:
        raise InputError("SUBACK is cut")
    at = 2
    if version == "5":
        size, at = _read_varint(body, 2)
        at += size
    return int.from_bytes(body[:2], "big"), list(body[at:])


def write_unsubscribe(version: Version, packet_id: int, topic: str) -> bytes:
    """UNSUBSCRIBE (3.10) from one topic filter."""
    none = b"\0" if version == "5" else b""
    return _packet(0xA2, struct.pack("!H", packet_id) + none + _text(topic))


def write_publish(
    version: Version, topic: str, payload: bytes, packet_id: int, qos: int = 1
) -> bytes:
    """PUBLISH (3.3); with QoS 0 ``packet_id`` is not sent."""
    none = b"\0" if version == "5" else b""
    number = struct.pack("!H", packet_id) if qos else b""
    return _packet(0x30 | qos << 1, _text(topic) + number + none + payload)


def write_pubrel(packet_id: int) -> bytes:
    """PUBREL (3.6), success: the answer to PUBREC, the third step of QoS 2."""
    return b"\x62\x02" + packet_id.to_bytes(2, "big")


def read_ack(body: bytes) -> tuple[int, str]:
    """PUBACK, PUBREC or PUBCOMP (3.4, 3.5, 3.7): the packet id, and why it was refused (empty: it
    was not). Raises InputError when it is cut.
    """
    if len(body) < 2:
        raise InputError("an acknowledgement is cut")
    code = body[2] if len(body) > 2 else 0
    return int.from_bytes(body[:2], "big"), refusal(code) if code >= 0x80 else ""


def write_pubacks(packet_ids: Iterable[int]) -> bytes:
    """PUBACK (3.4), success, for each packet id."""
    return b"".join([b"\x40\x02" + packet_id.to_bytes(2, "big") for packet_id in packet_ids])


def write_pingreq() -> bytes:
    """PINGREQ (3.12)."""
    return b"\xc0\x00"


def write_disconnect() -> bytes:
    """DISCONNECT (3.14), a normal one; the session stays."""
    return b"\xe0\x00"


class PacketReader:
    """Cuts packets out of a stream of bytes that comes in pieces of any size.

    A payload above ``limit`` is passed over as it comes and never held.
    """

    def __init__(self, version: Version, limit: int) -> None:
        self._five = version == "5"
        self._limit = limit
        self._rest = b""
        self._skip = 0

    def feed(self, data: bytes) -> list[Publish | Other]:
        """The packets that ``data`` completes; raises InputError for what is no MQTT."""
        if self._skip:
            passed = min(self._skip, len(data))
            self._skip -= passed
            data = data[passed:]
        data = self._rest + data if self._rest else data
        packets: list[Publish | Other] = []
        at, size = 0, len(data)
        while size - at >= 2:
            # The length by hand: this runs for every message.
            length, start = data[at + 1], at + 2
            if length & 0x80:
                found = _long(data, at + 1)
                if found is None:
                    break
                length, start = found
            end = start + length
            if end > size:
                if length <= self._limit:
                    break
                head = self._head_of_large(data, at, start, end)
                if head is None:
                    break
                packets.append(head)
                self._skip, at = end - size, size
                break
            first = data[at]
            if first >> 4 == PUBLISH:
                packets.append(self._publish(first, data, start, end))
            else:
                packets.append(Other(first >> 4, data[start:end]))
            at = end
        self._rest = data[at:]
        return packets

    def _publish(self, first: int, data: bytes, start: int, end: int) -> Publish:
        at = start + 2 + (data[start] << 8 | data[start + 1]) if end - start >= 2 else end + 1
        topic = data[start + 2 : at]
        packet_id = 0
        if first & 0x06:
            packet_id = int.from_bytes(data[at : at + 2], "big")
            at += 2
        if self._five and at < end:
            if data[at]:
                size, at = _read_varint(data, at)
                at += size
            else:
                at += 1
        if at > end:
            raise InputError("a PUBLISH is cut")
        payload = None if end - start > self._limit else data[at:end]
        return Publish(_name(topic), payload, packet_id, bool(first & 1))

    def _head_of_large(self, data: bytes, at: int, start: int, end: int) -> Publish | Other | None:
        """What a packet too large to hold says of itself; None while that much is not there."""
        first, there = data[at], len(data)
        if first >> 4 != PUBLISH:
            raise InputError(f"a packet of {end - start} bytes that is no PUBLISH")
        if there < start + 2 or there < start + 4 + int.from_bytes(data[start : start + 2], "big"):
            return None
        topic_end = start + 2 + int.from_bytes(data[start : start + 2], "big")
        packet_id = int.from_bytes(data[topic_end : topic_end + 2], "big") if first & 0x06 else 0
        return Publish(_name(data[start + 2 : topic_end]), None, packet_id, bool(first & 1))


def _name(topic: bytes) -> str:
    try:
        return topic.decode()
    except UnicodeDecodeError:
        raise InputError("a topic is not UTF-8") from None


def _long(data: bytes, at: int) -> tuple[int, int] | None:
    """A length of more than one byte and where it ends; None while it is cut."""
    if len(data) - at < 4 and all(byte & 0x80 for byte in data[at:]):
        return None
    return _read_varint(data, at)
