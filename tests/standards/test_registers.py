"""Registers: every format and word order reads back, and makers' examples come out right."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityloop.kernel.errors import InputError
from cityloop.standards.registers import (
    RegisterFormat,
    WordOrder,
    read_value,
    words_of,
    write_value,
)

_WHOLE = {"int16": (-(2**15), 2**15 - 1), "uint32": (0, 2**32 - 1), "int64": (-(2**63), 2**63 - 1)}
_ORDERS = st.sampled_from(["big", "little"])


@given(st.sampled_from(sorted(_WHOLE)), st.data(), _ORDERS)
def test_a_whole_number_reads_back(
    format_: RegisterFormat, data: st.DataObject, order: WordOrder
) -> None:
    value = data.draw(st.integers(*_WHOLE[format_]))
    assert read_value(write_value(value, format_, order), format_, order) == value


@given(st.floats(allow_nan=False), _ORDERS)
def test_a_float_reads_back(value: float, order: WordOrder) -> None:
    assert read_value(write_value(value, "float64", order), "float64", order) == value


@given(st.lists(st.integers(0, 65535), max_size=6), st.sampled_from(["float32", "int64", "bool"]))
def test_any_registers_give_a_value_or_a_reason(words: list[int], format_: RegisterFormat) -> None:
    if len(words) == words_of(format_):
        assert isinstance(read_value(words, format_), bool | int | float)
    else:
        with pytest.raises(InputError, match="registers, not"):
            read_value(words, format_)


def test_the_most_significant_word_comes_first_or_last() -> None:
    high, low = struct.unpack(">2H", struct.pack(">f", 21.5))
    assert read_value([high, low], "float32", "big") == 21.5
    assert read_value([low, high], "float32", "little") == 21.5


def test_not_a_number_stays_one_for_the_gate_to_refuse() -> None:
    value = read_value([0x7FC0, 0], "float32")
    assert isinstance(value, float)
    assert math.isnan(value)


def test_a_value_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="70000 is no uint16"):
        write_value(70000, "uint16")
