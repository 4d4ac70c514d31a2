"""Replay: state is a fold of the log, so a crash anywhere changes nothing."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tests.kernel.lamps import KNOWS, LAMPS, LOOP, Fuse, batch

from cityloop.kernel.clock import WallTime
from cityloop.kernel.frame import Array
from cityloop.kernel.loop import Ints, Mode
from cityloop.kernel.ports import Batch, Commit, Position
from cityloop.kernel.runner import Runner

lights = st.floats(-1e5, 2e6) | st.just(float("nan"))
histories = st.lists(st.tuples(lights, lights, lights), min_size=1, max_size=30)


def modes(loop: str) -> Ints:
    return np.full(3, Mode.ACT)


def runner() -> Runner:
    return Runner([LOOP], KNOWS, Fuse(), LAMPS)


def commits(batches: list[Batch]) -> list[Commit]:
    return [Commit(Position(i + 1), WallTime(0), b) for i, b in enumerate(batches)]


def same(a: dict[str, Array], b: dict[str, Array]) -> None:
    assert a.keys() == b.keys()
    for name, value in a.items():
        np.testing.assert_array_equal(value, b[name], err_msg=name)


@given(histories, st.data())
def test_checkpoint_and_replay_give_the_state_of_an_unbroken_run(
    history: list[tuple[float, float, float]], data: st.DataObject
) -> None:
    unbroken = runner()
    log, states = [], []
    for second, values in enumerate(history, 1):
        covered, _ = unbroken.turn(batch(second, *values), modes)
        log.append(covered)
        states.append(unbroken.save())
    cut = data.draw(st.integers(0, len(log)))
    broken = runner()
    if cut:
        broken.load(states[cut - 1])
    broken.replay(commits(log)[cut:])
    same(broken.save(), unbroken.save())


@given(histories)
def test_the_same_log_gives_the_same_decisions(history: list[tuple[float, float, float]]) -> None:
    def decided() -> list[tuple[str, ...]]:
        turned = runner()
        passes = [turned.turn(batch(s, *v), modes)[1] for s, v in enumerate(history, 1)]
        return [p.decisions.ids.names for (p,) in passes if p.decisions is not None]

    assert decided() == decided()


def test_a_new_run_starts_with_fresh_memory() -> None:
    turned = runner()
    turned.turn(batch(1, 1, 1, 1), modes)
    turned.turn(batch(90000, 1, 1, 1, run="b"), modes)
    assert turned.save()["street-lamps|memory/ticks"] == 1
    assert turned.run == "b"


def test_a_batch_that_no_loop_watches_turns_nothing() -> None:
    turned = runner()
    turned.turn(batch(1, 1, 1, 1), modes)
    covered, passes = turned.turn(Batch("people", "elsewhere", 1), modes)
    assert (covered.frames, passes, turned.run) == ((), (), "a")


def test_late_batches_advance_memory_and_order_nothing() -> None:
    late, on_time = runner(), runner()
    for second in range(1, 5):
        late.remember(batch(second, 1, 2, 3))
        on_time.turn(batch(second, 1, 2, 3), modes)
    name = "street-lamps|memory/mean"
    np.testing.assert_array_equal(late.save()[name], on_time.save()[name])
