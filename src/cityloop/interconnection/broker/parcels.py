"""What the broker and its notifier say to one another: messages, as bytes of one stream."""

import struct
from typing import Final, Literal

import msgspec

HEAD: Final = struct.Struct("!II")
"""Of a frame: its channel (one for each tenant) and its length."""

Envelope = Literal["entities", "features"]


class Target(msgspec.Struct, array_like=True, frozen=True, tag="target"):
    """Where and how the notifications of subscription ``s`` go; replaces what was told before.

    ``id``: the subscription's; ``timeout_s``: how long an answer may take. ``headers``: of HTTP, or
    the metadata of an MQTT message. ``context``: the @context of a collection of features, as JSON.
    """

    s: int
    id: str
    uri: str
    timeout_s: float
    envelope: Envelope
    headers: dict[str, str]
    context: bytes = b""
    mqtt_version: Literal["3.1.1", "5"] = "5"
    qos: int = 0


class Forget(msgspec.Struct, array_like=True, frozen=True, tag="forget"):
    """Subscription ``s`` is gone."""

    s: int


class Resume(msgspec.Struct, array_like=True, frozen=True, tag="resume"):
    """After a failure, ``s`` is to be tried again; until then all for it is given back."""

    s: int


class Tell(msgspec.Struct, array_like=True, frozen=True, tag="tell"):
    """Notification ``n``, which happened at ``at`` [ms], to all of ``to``; ``body``: entities as
    JSON, with commas between."""

    n: int
    at: int
    body: bytes
    to: list[int]


class Told(msgspec.Struct, array_like=True, frozen=True, tag="told"):
    """What became of one attempt: notifications ``ns`` of ``s`` in one message.

    ``error``: empty when it was taken. ``final``: it will never be taken.
    """

    s: int
    ns: list[int]
    at: int
    error: str = ""
    final: bool = False


class GivenBack(msgspec.Struct, array_like=True, frozen=True, tag="back"):
    """Notifications ``ns`` of ``s`` that were not tried, since one before them failed."""

    s: int
    ns: list[int]


_encode = msgspec.msgpack.Encoder().encode
Orders = Target | Forget | Resume | Tell
Reports = Told | GivenBack
read_orders = msgspec.msgpack.Decoder(list[Orders]).decode
read_reports = msgspec.msgpack.Decoder(list[Reports]).decode


def framed(channel: int, messages: list[Orders] | list[Reports]) -> bytes:
    """Messages as one frame."""
    body = _encode(messages)
    return HEAD.pack(channel, len(body)) + body
