import numpy as np
import pytest

from cityloop.evaluation.compare import compare
from cityloop.evaluation.metrics import Trips

HORIZON_S = 3600.0


def trips(travel_s: np.ndarray, names: str = "v") -> Trips:
    count = len(travel_s)
    planned = np.linspace(0, 3000, count)
    return Trips(
        HORIZON_S,
        tuple(f"{names}{i}" for i in range(count)),
        planned,
        planned,
        planned + travel_s,
        np.zeros(count),
        np.zeros(count, dtype=np.int64),
    )


def noisy(seed: int, mean_s: float) -> np.ndarray:
    return np.random.default_rng(seed).gamma(4.0, mean_s / 4.0, 400)


def test_a_controller_differs_from_itself_by_nothing() -> None:
    seen = compare([trips(noisy(1, 300))], [trips(noisy(1, 300))])
    assert (seen.mean_s, seen.low_s, seen.high_s, seen.vehicles) == (0.0, 0.0, 0.0, 400)


def test_what_every_vehicle_gains_is_the_difference_without_doubt() -> None:
    seen = compare([trips(noisy(1, 300) - 20)], [trips(noisy(1, 300))])
    assert seen.mean_s == pytest.approx(-20)
    assert seen.high_s - seen.low_s == pytest.approx(0, abs=1e-9)


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    held = 0
    for seed in range(100):
        seen = compare([trips(noisy(seed, 290))], [trips(noisy(1000 + seed, 300))])
        held += seen.low_s <= -10 <= seen.high_s
    assert 84 <= held <= 99  # 95 % nominal; twelve blocks make it a little narrow


def test_the_same_trials_give_the_same_interval() -> None:
    pair = [trips(noisy(1, 290))], [trips(noisy(2, 300))]
    assert compare(*pair) == compare(*pair)


def test_trials_of_different_demand_are_not_compared() -> None:
    with pytest.raises(ValueError, match="different demand"):
        compare([trips(noisy(1, 300), "a")], [trips(noisy(1, 300), "b")])
