import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityloop.kernel.changes import Reject
from cityloop.kernel.clock import CityTime
from cityloop.kernel.frame import Column, EntityIds
from cityloop.kernel.ports import Batch
from cityloop.kernel.rows import Rows
from cityloop.perception.devices import Declared
from cityloop.perception.live_gate import LiveGate, LiveSource
from cityloop.perception.plausible import FROZEN, JUMPS, SOUND, Believer
from cityloop.standards.attributes import declared
from cityloop.standards.kept import KeptRow, read_kept
from cityloop.standards.plausibility import Plausible, plausible

IDS = EntityIds(["urn:ngsi-ld:WeatherObserved:roof", "urn:ngsi-ld:WeatherObserved:yard"])
THERMOMETER = Plausible(most_per_s=0.2, frozen_s=600)


def judged(believer: Believer, *said: tuple[int, int, float]) -> list[int]:
    """Verdicts on (device, second, value)."""
    entity = np.array([device for device, _, _ in said], np.int32)
    times = np.array([1000 * second for _, second, _ in said], np.int64)
    part = Rows("WeatherObserved", "live", IDS, entity, times)
    values = np.array([value for _, _, value in said], np.float64)
    return believer.judge(part, np.arange(len(said)), values).tolist()


def test_one_spike_costs_one_value() -> None:
    said = [(0, 0, 20.0), (0, 60, 20.5), (0, 120, 85.0), (0, 180, 20.7)]
    assert judged(Believer(THERMOMETER), *said) == [SOUND, SOUND, JUMPS, SOUND]


def test_a_level_that_has_truly_changed_is_believed_after_a_while() -> None:
    believer = Believer(THERMOMETER)
    said = [(0, 0, 20.0), *((0, second, 40.0) for second in (10, 50, 99, 101, 110))]
    assert judged(believer, *said) == [SOUND, JUMPS, JUMPS, JUMPS, SOUND, SOUND]


def test_a_value_that_never_moves_is_frozen_until_it_moves() -> None:
    said = [(0, second, 20.0) for second in range(0, 901, 300)] + [(0, 1200, 20.1)]
    assert judged(Believer(THERMOMETER), *said) == [SOUND, SOUND, SOUND, FROZEN, SOUND]


def test_devices_are_judged_apart_and_over_batches() -> None:
    believer = Believer(THERMOMETER)
    assert judged(believer, (0, 0, 20.0), (1, 0, -5.0)) == [SOUND, SOUND]
    assert judged(believer, (1, 60, 20.0), (0, 60, 20.1)) == [JUMPS, SOUND]


def test_what_is_older_than_the_last_is_not_judged() -> None:
    said = [(0, 600, 20.0), (0, 1, 60.0)]
    assert judged(Believer(THERMOMETER), said[0]) == judged(Believer(THERMOMETER), said[1])
    believer = Believer(THERMOMETER)
    judged(believer, said[0])
    assert judged(believer, said[1]) == [SOUND]


steps = st.lists(st.tuples(st.integers(0, 1), st.integers(1, 500), st.floats(-0.15, 0.15)))


@given(steps)
def test_a_sensor_within_its_limits_is_always_believed(moves: list[tuple[int, int, float]]) -> None:
    believer, second, value = Believer(THERMOMETER), 0, [20.0, 20.0]
    for device, later, drift in moves:
        second += later
        value[device] += drift + (0.001 if drift >= 0 else -0.001)
        assert judged(believer, (device, second, value[device])) == [SOUND]


@pytest.mark.parametrize("type_", plausible())
def test_every_limit_lets_the_quantity_cross_its_range_some_day(type_: str) -> None:
    for limits in plausible()[type_].values():
        assert limits.most_per_s > 0
        assert limits.frozen_s >= 3600


def test_the_gate_refuses_a_jump_and_lets_the_rest_of_its_row_in() -> None:
    kept: list[Reject] = []
    source = LiveSource("roofs", Declared({"WeatherObserved": IDS}), late_s=3600, ahead_s=60)
    gate = LiveGate([source], declared(), kept.extend)

    def admitted(sequence: int, at: int, celsius: float, *, again: bool = False) -> set[str]:
        one = np.array([at], np.int64)
        columns = {
            "temperature": Column(np.array([celsius])),
            "relativeHumidity": Column(np.array([0.5])),
        }
        part = Rows("WeatherObserved", "live", IDS, np.array([0], np.int32), one, columns)
        batch = Batch("roofs", "live", sequence, rows=(part,))
        (found,) = gate.admit(batch, CityTime(at), again=again).rows
        return {name for name, column in found.columns.items() if not np.any(column.absent)}

    assert admitted(1, 60_000, 20.0) == {"temperature", "relativeHumidity"}
    assert admitted(2, 120_000, 60.0) == {"relativeHumidity"}
    assert [reject.reason.partition(":")[0] for reject in kept] == ["jumps"]
    assert read_kept(kept[0].content) == KeptRow(
        "WeatherObserved", IDS.names[0], 120_000, {"temperature": 60.0}
    )
    assert admitted(3, 180_000, 60.0, again=True) == {"temperature", "relativeHumidity"}
