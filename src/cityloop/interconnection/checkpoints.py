"""Memories as bytes: named arrays without loss and without pickle."""

from collections.abc import Mapping

import msgspec
import numpy as np

from cityloop.kernel.errors import CorruptError
from cityloop.kernel.frame import Array


class _Part(msgspec.Struct, array_like=True, frozen=True):
    name: str
    dtype: str
    shape: tuple[int, ...]
    body: bytes


_read = msgspec.msgpack.Decoder(list[_Part]).decode


def write_memory(memory: Mapping[str, Array]) -> bytes:
    """``memory`` as bytes; raises ValueError for an array of Python objects."""
    parts = []
    for name, array in memory.items():
        if array.dtype.hasobject:
            raise ValueError(f"{name} holds Python objects; a memory is plain numbers and text")
        parts.append(_Part(name, array.dtype.str, array.shape, array.tobytes()))
    return msgspec.msgpack.encode(parts)


def read_memory(body: bytes) -> dict[str, Array]:
    """The memory that ``write_memory`` wrote; raises CorruptError when ``body`` is none."""
    try:
        return {
            part.name: np.frombuffer(part.body, np.dtype(part.dtype)).reshape(part.shape).copy()
            for part in _read(body)
        }
    except (msgspec.MsgspecError, TypeError, ValueError) as error:
        raise CorruptError(f"a checkpoint cannot be read: {error}") from error
