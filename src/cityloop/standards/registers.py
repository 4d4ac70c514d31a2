"""Modbus registers as values: formats, word order and back (Modbus Application Protocol 1.1b3).

A register holds 16 bits, most significant byte first. Values of 32 and 64 bits lie in two or four
registers, and makers differ in which comes first: ``big`` is the most significant.
"""

import struct
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal

from cityloop.kernel.errors import InputError

RegisterFormat = Literal[
    "bool", "int16", "uint16", "int32", "uint32", "float32", "int64", "uint64", "float64"
]
WordOrder = Literal["big", "little"]
_LETTERS: Mapping[str, str] = MappingProxyType(
    {
        "int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "float32": "f",
        "int64": "q", "uint64": "Q", "float64": "d", "bool": "H",
    }
)  # fmt: skip


def words_of(format_: RegisterFormat) -> int:
    """How many registers a value of the format takes."""
    return struct.calcsize(">" + _LETTERS[format_]) // 2


def read_value(
    words: Sequence[int], format_: RegisterFormat, order: WordOrder = "big"
) -> bool | int | float:
    """The value in ``words``; raises InputError when there are too few or too many."""
    if len(words) != words_of(format_):
        raise InputError(f"{format_} takes {words_of(format_)} registers, not {len(words)}")
    placed = words if order == "big" else words[::-1]
    body = struct.pack(f">{len(placed)}H", *placed)
    value: int | float = struct.unpack(">" + _LETTERS[format_], body)[0]
    return bool(value) if format_ == "bool" else value


def write_value(value: float, format_: RegisterFormat, order: WordOrder = "big") -> list[int]:
    """``value`` as registers; raises InputError where it does not fit the format."""
    whole = "f" not in format_
    try:
        body = struct.pack(">" + _LETTERS[format_], int(value) if whole else value)
    except (struct.error, OverflowError, ValueError) as error:
        raise InputError(f"{value} is no {format_}: {error}") from None
    words = list(struct.unpack(f">{len(body) // 2}H", body))
    return words if order == "big" else words[::-1]
