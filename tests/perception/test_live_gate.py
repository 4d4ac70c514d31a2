"""The gate for devices that speak when they like: each lie has its reason, and costs no other."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityloop.kernel.changes import Reject
from cityloop.kernel.clock import CityTime
from cityloop.kernel.errors import InputError
from cityloop.kernel.frame import Column, EntityIds
from cityloop.kernel.ports import Batch
from cityloop.kernel.rows import Rows
from cityloop.perception.devices import Declared
from cityloop.perception.live_gate import LiveGate, LiveSource
from cityloop.standards.attributes import declared

LAMPS = EntityIds(["lamp:1", "lamp:2", "lamp:3"])
NOW = CityTime(1_700_000_000_000)
YEAR_MS = 365 * 86_400_000


class Door:
    """A live gate, and what it refused."""

    def __init__(self) -> None:
        self.rejects: list[Reject] = []
        devices = Declared({"Streetlight": LAMPS}, {"WasteContainer": "bin:*"})
        source = LiveSource("lamps", devices, late_s=600, ahead_s=60)
        self.gate = LiveGate([source], declared(), self.rejects.extend)
        self._sequence = 0

    def admit(self, *rows: Rows) -> list[tuple[str, int, dict[str, Any]]]:
        """Entity, time and values of all that was let in."""
        self._sequence += 1
        batch = self.gate.admit(Batch("lamps", "live", self._sequence, rows=rows), NOW)
        return [
            (f.ids.names[row], f.observed_at - NOW, told(f.columns, row))
            for part in batch.rows
            for f in part.frames()
            for row in range(len(f))
        ]

    @property
    def reasons(self) -> list[str]:
        return [reject.reason.partition(":")[0] for reject in self.rejects]


def told(columns: Any, row: int) -> dict[str, Any]:
    return {
        name: c.values.tolist()[row]
        for name, c in columns.items()
        if c.absent is None or not c.absent[row]
    }


def lit(*said: tuple[int, int, float], ids: EntityIds = LAMPS, run: str = "live") -> Rows:
    """Rows of (lamp, ms after now, light)."""
    entity, times, level = (list(column) for column in zip(*said, strict=True))
    light = Column(np.array(level))
    at = np.array(times, np.int64) + NOW
    return Rows(
        "Streetlight", run, ids, np.array(entity, np.int32), at, {"illuminanceLevel": light}
    )


def test_what_declared_devices_say_enters() -> None:
    door = Door()
    assert door.admit(lit((0, 0, 0.5), (2, -9, 1.0))) == [
        ("lamp:3", -9, {"illuminanceLevel": 1.0}),
        ("lamp:1", 0, {"illuminanceLevel": 0.5}),
    ]
    assert door.rejects == []


def test_a_device_that_is_not_declared_is_refused_by_name() -> None:
    door = Door()
    assert door.admit(lit((0, 0, 0.5), (1, 0, 0.5), ids=EntityIds(["lamp:9", "lamp:2"])))[0][0] == (
        "lamp:2"
    )
    assert [(r.entity, r.at) for r in door.rejects] == [("lamp:9", NOW)]


def test_a_pattern_declares_devices() -> None:
    door, ids = Door(), EntityIds(["bin:7", "box:7"])
    full = {"fillingLevel": Column(np.array([0.3, 0.3]))}
    at = np.full(2, NOW, np.int64)
    rows = Rows("WasteContainer", "live", ids, np.arange(2, dtype=np.int32), at, full)
    assert [entity for entity, *_ in door.admit(rows)] == ["bin:7"]
    assert door.reasons == ["undeclared device"]


@pytest.mark.parametrize(
    ("ms", "reason"),
    [
        (-NOW, "too late"),
        (-601_000, "too late"),
        (61_000, "in the future"),
        (YEAR_MS, "in the future"),
    ],
)
def test_a_time_from_elsewhere_is_refused_and_its_neighbour_is_not(ms: int, reason: str) -> None:
    door = Door()
    assert len(door.admit(lit((0, ms, 0.5), (1, 0, 0.5)))) == 1
    assert door.reasons == [reason]


def test_a_late_burst_out_of_order_enters() -> None:
    door = Door()
    door.admit(lit((0, 0, 0.1)))
    late = [(0, -ms, 0.2) for ms in (5_000, 90_000, 1_000)]
    assert [at for _, at, _ in door.admit(lit(*late))] == [-90_000, -5_000, -1_000]


def test_what_a_device_said_already_is_a_duplicate() -> None:
    door = Door()
    door.admit(lit((0, 0, 0.1)))
    assert door.admit(lit((0, 0, 0.1), (1, 0, 0.2), (1, 0, 0.3))) == [
        ("lamp:2", 0, {"illuminanceLevel": 0.2})
    ]
    assert door.reasons == ["duplicate", "duplicate"]


def test_another_attribute_of_the_same_time_is_no_duplicate() -> None:
    door = Door()
    door.admit(lit((0, 0, 0.1)))
    state = {"powerState": Column(np.array(["on"], object))}
    at, entity = np.array([NOW], np.int64), np.zeros(1, np.int32)
    assert len(door.admit(Rows("Streetlight", "live", LAMPS, entity, at, state))) == 1


def test_what_the_log_holds_is_known_after_a_restart() -> None:
    first, second = Door(), Door()
    batch = Batch("lamps", "live", 1, rows=(lit((0, 0, 0.1), (1, 5, 0.1)),))
    second.gate.recall(first.gate.admit(batch, NOW))
    assert second.admit(lit((0, 0, 0.1), (1, 5, 0.1), (1, 6, 0.1))) == [
        ("lamp:2", 6, {"illuminanceLevel": 0.1})
    ]


def test_bad_values_go_alone() -> None:
    door = Door()
    levels = (0.5, float("nan"), float("inf"), 7.0)
    rows = lit(*((i % 3, i, level) for i, level in enumerate(levels)))
    assert [values for *_, values in door.admit(rows)] == [{"illuminanceLevel": 0.5}]
    assert door.reasons == ["out of range"] * 3


def test_undeclared_types_attributes_and_sources_are_refused() -> None:
    door = Door()
    ship = Rows("Ship", "live", LAMPS, np.zeros(1, np.int32), np.array([NOW], np.int64))
    odd = lit((0, 0, 0.5))
    odd = Rows(odd.type, "live", LAMPS, odd.entity, odd.observed_at, {"colour": Column(np.ones(1))})
    assert door.admit(ship, odd, lit((0, 0, 0.5), run="r1")) == []
    assert door.reasons == ["undeclared type", "undeclared attribute", "wrong run"]
    with pytest.raises(InputError, match="not declared"):
        door.gate.admit(Batch("ships", "live", 1), NOW)


said = st.tuples(st.integers(0, 2), st.integers(-700_000, 70_000), st.sampled_from([0.0, 1.0, 2.0]))


@given(st.lists(st.lists(said, min_size=1, max_size=8), max_size=4))
def test_whatever_comes_every_row_enters_once_or_is_counted(parts: list[list[Any]]) -> None:
    door = Door()
    entered = [one for part in parts for one in door.admit(lit(*part))]
    keys = [(entity, at) for entity, at, _ in entered]
    assert len(set(keys)) == len(keys)
    assert len(entered) + sum(door.gate.counts.values()) == sum(map(len, parts))
