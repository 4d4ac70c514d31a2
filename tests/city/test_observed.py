"""The table of all that live sources said."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cityloop.city.clock import wall_time
from cityloop.city.observed import Observed
from cityloop.interconnection.tenant import Tenant, open_tenant
from cityloop.kernel.clock import CityTime
from cityloop.kernel.frame import Column, EntityIds
from cityloop.kernel.ports import Batch
from cityloop.kernel.rows import Rows
from cityloop.kernel.waiting import LIVE

AIR = "AirQualityObserved"
STATIONS = EntityIds([f"urn:ngsi-ld:{AIR}:{name}" for name in "ab"])
FIRST = 1_800_000_000_000


@pytest.fixture
def tenant(tmp_path: Path) -> Tenant:
    return open_tenant(tmp_path, "town", wall_time)


def said(tenant: Tenant, *times: int, entity: tuple[int, ...], **columns: Column) -> None:
    """One batch of a source."""
    stamps = np.array([FIRST + at for at in times], np.int64)
    rows = Rows(AIR, LIVE, STATIONS, np.array(entity, np.int32), stamps, columns)
    tenant.log.append([Batch("air", LIVE, 1, rows=(rows,))])


def table(tenant: Tenant, since: int = 0, until: int = 10_000) -> list[dict[str, Any]]:
    observed = Observed(tenant.log, {AIR})
    batches = observed.batches(CityTime(FIRST + since), CityTime(FIRST + until))
    return [row for batch in batches for row in batch.to_pylist()]


def test_every_value_is_a_row_with_its_time_and_unit(tenant: Tenant) -> None:
    said(tenant, 0, 500, entity=(0, 1), pm25=Column(np.array([12.5, 8.0])))
    first, second = table(tenant)
    assert first == {
        "at": "2027-01-15T08:00:00.000Z",
        "type": AIR,
        "id": STATIONS.names[0],
        "attribute": "pm25",
        "value": 12.5,
        "text": None,
        "unit": "GQ",
    }
    assert (second["id"], second["value"]) == (STATIONS.names[1], 8.0)


def test_what_was_not_said_is_no_row_and_what_is_null_is_an_empty_one(tenant: Tenant) -> None:
    gone, null = np.array([True, False]), np.array([False, True])
    said(tenant, 0, 1, entity=(0, 0), pm25=Column(np.array([1.0, 2.0]), gone, null))
    (row,) = table(tenant)
    assert (row["value"], row["text"]) == (None, None)


def test_words_stand_beside_the_numbers(tenant: Tenant) -> None:
    said(tenant, 0, entity=(0,), airQualityLevel=Column(np.array(["good"], object)))
    (row,) = table(tenant)
    assert (row["value"], row["text"], row["unit"]) == (None, "good", "")


def test_only_what_lies_in_the_span_is_told(tenant: Tenant) -> None:
    said(tenant, 0, 1_000, 2_000, entity=(0, 0, 0), pm25=Column(np.array([1.0, 2.0, 3.0])))
    assert [row["value"] for row in table(tenant, 1_000, 2_000)] == [2.0]


def test_a_city_that_heard_nothing_has_the_columns_all_the_same(tenant: Tenant) -> None:
    (empty,) = Observed(tenant.log, {AIR}).batches(CityTime(0), CityTime(FIRST))
    assert empty.num_rows == 0
    assert empty.schema.names == ["at", "type", "id", "attribute", "value", "text", "unit"]
