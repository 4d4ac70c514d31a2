"""Units: what converts does so exactly, what does not is refused with both names."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityloop.kernel.errors import InputError
from cityloop.standards.units import UNITS, convert, unit_code


@pytest.mark.parametrize(
    ("value", "given_", "declared", "wanted"),
    [
        (36.0, "KMH", "MTS", 10.0),
        (212.0, "FAH", "CEL", 100.0),
        (0.0, "CEL", "KEL", 273.15),
        (55.0, "P1", "C62", 0.55),
        (1013.25, "A97", "KPA", 101.325),
        (1.5, "GP", "GQ", 1500.0),
    ],
)
def test_a_convertible_unit_is_converted(
    value: float, given_: str, declared: str, wanted: float
) -> None:
    assert convert(np.array([value]), given_, declared)[0] == pytest.approx(wanted)


@pytest.mark.parametrize(("given_", "declared"), [("59", "GQ"), ("MTS", "CEL"), ("XYZ", "MTR")])
def test_another_quantity_is_refused(given_: str, declared: str) -> None:
    with pytest.raises(InputError, match=f"unit {given_} does not convert to {declared}"):
        convert(np.array([1.0]), given_, declared)


@pytest.mark.parametrize(
    ("symbol", "code"),
    [("km/h", "KMH"), ("°C", "CEL"), ("\u03bcg/m³", "GQ"), ("MW", "MAW"), ("hPa", "A97")],
)
def test_a_feeds_symbol_finds_its_code(symbol: str, code: str) -> None:
    assert unit_code(symbol) == code


def test_milliwatts_are_not_taken_for_megawatts() -> None:
    with pytest.raises(InputError, match="'mW' is not known"):
        unit_code("mW")


_SAME = [(a, b) for a in UNITS for b in UNITS if UNITS[a].quantity == UNITS[b].quantity]


@given(st.sampled_from(_SAME), st.floats(-1e6, 1e6))
def test_conversion_and_back_is_identity(pair: tuple[str, str], value: float) -> None:
    there = convert(np.array([value]), *pair)
    assert convert(there, pair[1], pair[0])[0] == pytest.approx(value, rel=1e-9, abs=1e-6)
