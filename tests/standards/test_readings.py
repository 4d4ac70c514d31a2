"""Cells become columns of the declared kind and unit; what does not fit is named and left out."""

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityloop.kernel.clock import CityTime
from cityloop.kernel.errors import InputError
from cityloop.standards.attributes import Attribute, declared
from cityloop.standards.readings import (
    ABSENT,
    Decoded,
    Faults,
    column_of,
    read_local_time,
    read_time,
    readings_of,
)

WEATHER = declared()["WeatherObserved"]
STATION = declared()["BikeHireDockingStation"]


def _decode(cells: Mapping[str, list[object]], **units: str) -> Decoded:
    faults = Faults()
    count = len(next(iter(cells.values())))
    names = [f"urn:ngsi-ld:WeatherObserved:{row}" for row in range(count)]
    rows = readings_of(WEATHER, "WeatherObserved", names, [0] * count, cells, faults, units=units)
    return faults.of([rows])


def test_numbers_are_converted_to_the_declared_unit() -> None:
    part = _decode({"windSpeed": [36, 72.0]}, windSpeed="km/h").readings[0]
    assert part.columns["windSpeed"].values.tolist() == pytest.approx([10.0, 20.0])


def test_a_null_is_not_an_absence() -> None:
    column = _decode({"temperature": [1.0, None, ABSENT]}).readings[0].columns["temperature"]
    assert column.null is not None
    assert column.absent is not None
    assert column.null.tolist() == [False, True, False]
    assert column.absent.tolist() == [False, False, True]


def test_a_cell_of_the_wrong_kind_is_named_and_the_rest_goes_on() -> None:
    decoded = _decode({"temperature": [1.0, "warm", True, 4]})
    assert [(f.entity[-1], f.value) for f in decoded.faults] == [("1", "warm"), ("2", "True")]
    assert decoded.readings[0].observations == 2


def test_a_unit_that_does_not_convert_costs_its_attribute_only() -> None:
    decoded = _decode({"temperature": [1.0], "windSpeed": [1.0]}, temperature="ppm")
    assert list(decoded.readings[0].columns) == ["windSpeed"]
    assert "unit 59 does not convert to CEL" in decoded.faults[0].reason


def test_an_undeclared_attribute_is_a_fault() -> None:
    assert _decode({"mood": ["good"]}).faults[0].reason == "undeclared attribute"


@pytest.mark.parametrize(
    ("text", "ms"),
    [("1970-01-01T00:00:01Z", 1000), ("1970-01-01T08:00:00+08:00", 0), (1.5, 1500)],
)
def test_times_are_read(text: object, ms: int) -> None:
    assert read_time(text) == ms


@pytest.mark.parametrize("text", ["2024-05-01T10:00", "soon", -5, 1e30, float("nan"), True, None])
def test_a_time_without_zone_or_sense_is_refused(text: object) -> None:
    with pytest.raises(InputError, match="time"):
        read_time(text)


def test_a_local_time_takes_the_offset_that_its_feed_declares() -> None:
    assert read_local_time("1970-01-01T08:00", 8 * 3600) == 0


def test_a_fault_says_where_it_was() -> None:
    fault = _decode({"temperature": ["warm"]}).faults[0]
    reject = fault.reject("weather", "live", CityTime(7))
    assert (reject.attribute, reject.value) == ("temperature", "warm")
    assert reject.reason.endswith("(at row 0)")


_CELLS = st.lists(
    st.one_of(
        st.none(), st.just(ABSENT), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)
    ),
    max_size=20,
)


@given(_CELLS, st.sampled_from([*WEATHER.values(), *STATION.values()]))
def test_any_cells_make_a_column_that_accounts_for_each(
    cells: list[object], attribute: Attribute
) -> None:
    column, bad, reason = column_of(cells, attribute)
    assert len(column.values) == len(cells)
    assert bool(bad) == bool(reason)
    absent = np.zeros(len(cells), bool) if column.absent is None else column.absent
    wanted = [cell is ABSENT or row in bad for row, cell in enumerate(cells)]
    assert absent.tolist() == wanted
