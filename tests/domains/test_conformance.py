"""Every registered loop passes these; a newcomer's is tested before its author writes a test."""

import msgspec
import numpy as np
import pytest
from tests.faults.running import HANGZHOU

from cityloop.city.build import build_site
from cityloop.city.installed import loop_versions
from cityloop.city.site import Site
from cityloop.kernel.clock import CityTime, WallTime
from cityloop.kernel.frame import Column, Frame
from cityloop.kernel.loop import Ints, Loop, Mode, Priority
from cityloop.kernel.ports import Batch, Commit, Position
from cityloop.kernel.runner import Runner
from cityloop.kernel.view import View

LOOPS = {f"{v.name}@{v.version}": v for of_name in loop_versions().values() for v in of_name}
TICKS = 40


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return build_site(HANGZHOU, tmp_path_factory.mktemp("site"))


@pytest.fixture(params=sorted(LOOPS))
def loop(request: pytest.FixtureRequest) -> Loop:
    return LOOPS[request.param]


class Passing:
    """A guard that passes all, or refuses all."""

    reasons = ("", "refused")

    def __init__(self, code: int = 0) -> None:
        self._code = code

    def judge(self, rows: Ints, actions: Ints, priority: Priority, view: View) -> Ints:
        return np.full(len(rows), self._code)


def runner(loop: Loop, site: Site, code: int = 0) -> Runner:
    return Runner([loop], {"network": site.network}, Passing(code), site.network.bank.ids)


def modes(site: Site) -> Ints:
    return np.full(len(site.network.bank.ids), Mode.ACT)


def batch(loop: Loop, site: Site, second: int, rng: np.random.Generator) -> Batch:
    """Plausible values for everything the loop watches."""
    frames = []
    for watch in loop.watches.values():
        _, _, attribute = watch.rows.partition(".")
        ids = getattr(site.network, attribute)
        columns = {name: Column(rng.integers(0, 3, len(ids)) * 1.0) for name in watch.attributes}
        frames.append(Frame(watch.type, "a", CityTime(second * 1000), ids, columns))
    return Batch("test", "a", second, tuple(frames))


def spoil(part: Frame, value: float, rng: np.random.Generator) -> Frame:
    columns = {}
    for name, column in part.columns.items():
        values = column.values.astype(float).copy()
        values[rng.random(len(values)) < 0.5] = value
        columns[name] = Column(values)
    return Frame(part.type, part.run, part.observed_at, part.ids, columns)


def turn_all(turned: Runner, site: Site, batches: list[Batch]) -> list[Batch]:
    covered = []
    for one in batches:
        done, passes = turned.turn(one, lambda _: modes(site))
        covered.append(done)
        assert not [p.failure for p in passes if p.failure]
    return covered


def history(loop: Loop, site: Site, ticks: int = TICKS) -> list[Batch]:
    rng = np.random.default_rng(1)
    return [batch(loop, site, second, rng) for second in range(1, ticks + 1)]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1.0, 1e12])
def test_absurd_input_stops_no_loop(loop: Loop, site: Site, value: float) -> None:
    rng = np.random.default_rng(2)
    batches = [
        Batch(b.source, b.run, b.sequence, tuple(spoil(f, value, rng) for f in b.frames))
        for b in history(loop, site)
    ]
    with np.errstate(all="ignore"):
        turn_all(runner(loop, site), site, batches)


def test_nothing_seen_yet_gives_no_orders(loop: Loop, site: Site) -> None:
    turned = runner(loop, site)
    turned.begin("a")
    (cycle,) = turned.cycles
    done = cycle.tick(CityTime(1000), modes(site))
    assert not done.failure
    assert done.orders is None or not len(done.orders.rows)


def test_one_missing_input_stops_no_loop(loop: Loop, site: Site) -> None:
    for gone in range(len(loop.watches)):
        batches = [
            Batch(b.source, b.run, b.sequence, b.frames[:gone] + b.frames[gone + 1 :])
            for b in history(loop, site)
        ]
        turn_all(runner(loop, site), site, [b for b in batches if b.frames])


def test_input_that_stays_away_ends_the_orders(loop: Loop, site: Site) -> None:
    turned = runner(loop, site)
    turn_all(turned, site, history(loop, site))
    (cycle,) = turned.cycles
    done = cycle.tick(CityTime((TICKS + 3600) * 1000), modes(site))
    assert not done.failure
    assert done.orders is None or not len(done.orders.rows)


def test_the_same_input_gives_the_same_orders(loop: Loop, site: Site) -> None:
    def orders() -> list[list[int]]:
        turned = runner(loop, site)
        out = []
        for one in history(loop, site):
            _, (done,) = turned.turn(one, lambda _: modes(site))
            out.append([] if done.orders is None else done.orders.actions.tolist())
        return out

    assert orders() == orders()


def test_a_tick_changes_neither_its_view_nor_the_old_memory(loop: Loop, site: Site) -> None:
    batches = history(loop, site)
    turned = runner(loop, site)
    turn_all(turned, site, batches[:-1])
    (cycle,) = turned.cycles
    before = {name: array.copy() for name, array in cycle.save().items()}
    kept = cycle.save()
    cycle.see(batches[-1].frames)
    cycle.tick(CityTime(TICKS * 1000), modes(site))
    for name, array in kept.items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)


def test_restored_memory_goes_on_like_the_old(loop: Loop, site: Site) -> None:
    unbroken, first = runner(loop, site), runner(loop, site)
    batches = history(loop, site)
    log = turn_all(unbroken, site, batches)
    turn_all(first, site, batches[: TICKS // 2])
    again = runner(loop, site)
    again.load(first.save())
    again.replay(Commit(Position(b.sequence), WallTime(0), b) for b in log[TICKS // 2 :])
    ours, theirs = again.save(), unbroken.save()
    for name, value in ours.items():
        np.testing.assert_array_equal(value, theirs[name], err_msg=name)


def test_a_guard_that_refuses_all_leaves_nothing_to_order(loop: Loop, site: Site) -> None:
    turned = runner(loop, site, code=1)
    for one in history(loop, site):
        covered, (done,) = turned.turn(one, lambda _: modes(site))
        assert done.orders is None
        for part in covered.frames:
            if part.type == "Decision":
                assert all(text.endswith("Refused: refused") for text in part["reason"])


def test_every_recorded_decision_has_a_reason_with_a_number(loop: Loop, site: Site) -> None:
    reasons = [
        str(text)
        for covered in turn_all(runner(loop, site), site, history(loop, site))
        for part in covered.frames
        if part.type == "Decision"
        for text in part["reason"]
    ]
    assert reasons
    assert all(any(c.isdigit() for c in text) and text.endswith(".") for text in reasons)


def test_every_reason_is_of_a_wording_that_the_loop_declares(loop: Loop, site: Site) -> None:
    whys = [
        msgspec.json.decode(text)
        for covered in turn_all(runner(loop, site), site, history(loop, site))
        for part in covered.frames
        if part.type == "Decision"
        for text in part["why"]
    ]
    wordings = {wording.code: wording for wording in loop.wordings}
    assert {why["code"] for why in whys} <= wordings.keys()
    assert all(wordings[why["code"]](**why["numbers"]).sentence for why in whys)
