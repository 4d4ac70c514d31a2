"""The hub: what people and the log do to it, without a process around it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.faults.running import HANGZHOU, TENANT

from cityloop.city.build import build_site
from cityloop.city.build_hub import build_hub
from cityloop.city.clock import wall_time
from cityloop.city.hub import Hub
from cityloop.city.plan_desk import own_plans
from cityloop.city.retention_desk import keeps_in_force
from cityloop.city.site import Site
from cityloop.interconnection.tenant import Tenant, open_tenant
from cityloop.kernel.clock import CityTime
from cityloop.kernel.errors import RefusedError
from cityloop.kernel.frame import Column, Frame
from cityloop.kernel.loop import Mode, Priority
from cityloop.kernel.ports import Batch, Commit, Position
from cityloop.safety.envelope import Refusal
from cityloop.standards.attributes import declared
from cityloop.standards.plans import Calendar, CalendarEntry, Green, JunctionPlan, TimePlan
from cityloop.standards.retention import Keep

SIGNAL = "urn:ngsi-ld:SignalController:"
LOOP = "mobility/signal_timing"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return build_site(HANGZHOU, tmp_path_factory.mktemp("site"))


@pytest.fixture
def tenant(tmp_path: Path) -> Tenant:
    return open_tenant(tmp_path, TENANT, wall_time)


@pytest.fixture
def hub(site: Site, tenant: Tenant) -> Hub:
    return build_hub(site, tenant, epoch=3)


def tick(site: Site, second: int, queue_at: int = 0, run: str = "a") -> Batch:
    """A quiet city with a queue on one lane-area detector."""
    network = site.network
    queue = np.zeros(len(network.detector_ids), dtype=np.uint16)
    queue[queue_at] = 12
    stop_lines = np.zeros(len(network.stop_line_ids), dtype=np.uint8)
    ages = np.full(len(network.controller_ids), 20 + second, dtype=np.float32)
    zeros = np.zeros(len(network.controller_ids), dtype=np.int8)
    ones = np.ones(len(network.controller_ids), dtype=np.int8)
    at = CityTime(second * 1000)

    def frame(type_: str, ids: object, **columns: np.ndarray) -> Frame:
        return Frame(type_, run, at, ids, {n: Column(v) for n, v in columns.items()})  # type: ignore[arg-type]

    return Batch(
        "twin",
        run,
        second,
        (
            frame("LaneDetector", network.detector_ids, vehicleCount=queue, queueLength=queue),
            frame("StopLineDetector", network.stop_line_ids, vehicleCount=stop_lines),
            frame(
                "SignalController",
                network.controller_ids,
                phase=zeros,
                stage=zeros,
                stageAge=ages,
                inCharge=ones,
                refusal=zeros,
                lastOrderAt=np.zeros(len(zeros), dtype=np.int64),
            ),
        ),
    )


def advise(hub: Hub, site: Site) -> str:
    """Put all groups into advise and turn ticks until somebody is advised; the advice's id."""
    for group in hub.modes.groups:
        hub.set_mode(LOOP, group, Mode.ADVISE, "")
    hub.turn(tick(site, 1), late=False)
    waiting = [advice.id for advice in hub.approvals]
    assert waiting
    return waiting[0]


def test_one_commit_covers_what_was_seen_and_what_was_decided(hub: Hub, site: Site) -> None:
    effects = hub.turn(tick(site, 1), late=False)
    (batch,) = effects.batches
    types = [part.type for part in batch.frames]
    assert types == ["LaneDetector", "StopLineDetector", "SignalController", "Decision"]
    assert effects.orders[0].epoch == 3


def test_late_frames_are_kept_and_not_acted_on(hub: Hub, site: Site) -> None:
    effects = hub.turn(tick(site, 1), late=True)
    assert len(effects.batches) == 1
    assert (effects.orders, effects.rows) == ([], [])


def test_an_absurd_value_is_kept_apart_and_counted(hub: Hub, site: Site, tenant: Tenant) -> None:
    batch = tick(site, 1)
    signals = batch.frames[2]
    ages = signals["stageAge"].copy()
    ages[0] = np.nan
    lying = replace(signals, columns={**signals.columns, "stageAge": Column(ages)})
    effects = hub.turn(replace(batch, frames=(*batch.frames[:2], lying)), late=False)
    assert tenant.rejects.total == 1
    assert effects.orders[0].rows.tolist() == list(range(1, 16))


def test_confirmed_advice_is_ordered_once(hub: Hub, site: Site) -> None:
    name = advise(hub, site)
    effects = hub.answer(name, confirm=True)
    assert len(effects.orders) == 1
    assert effects.rows[0].verdict == "confirmed"
    with pytest.raises(RefusedError):
        hub.answer(name, confirm=True)


def test_rejected_advice_orders_nothing(hub: Hub, site: Site) -> None:
    effects = hub.answer(advise(hub, site), confirm=False)
    assert (effects.orders, effects.rows[0].verdict) == ([], "rejected")


def test_advice_nobody_answers_lapses_on_record(hub: Hub, site: Site) -> None:
    name = advise(hub, site)
    rows = [row for s in range(2, 40) for row in hub.turn(tick(site, s), late=False).rows]
    assert (name, "lapsed") in {(row.id, row.verdict) for row in rows}


def test_a_persons_hold_goes_before_every_loop(hub: Hub, site: Site) -> None:
    hub.turn(tick(site, 1), late=False)
    (order,) = hub.operate("J11", "hold", 2, minutes=5).orders
    assert (order.priority, order.actions.tolist()) == (Priority.MANUAL, [2])
    assert order.rows.tolist() == [site.network.bank.ids.names.index(f"{SIGNAL}J11")]


def test_a_hold_is_ordered_again_until_its_time_is_over(hub: Hub, site: Site) -> None:
    hub.turn(tick(site, 1), late=False)
    hub.operate("J11", "hold", 2, minutes=1)
    priorities = {}
    for second in range(2, 70):
        orders = hub.turn(tick(site, second), late=False).orders
        priorities[second] = {order.priority for order in orders}
    assert Priority.MANUAL in priorities[60]
    assert Priority.MANUAL not in priorities[62]


def test_what_a_cabinet_refuses_is_on_record_with_its_reason(hub: Hub, site: Site) -> None:
    hub.turn(tick(site, 1), late=False)
    batch = tick(site, 2)
    signals = batch.frames[2]
    refusal = signals["refusal"].copy()
    refusal[4] = Refusal.MAXIMUM_RED
    report = replace(signals, columns={**signals.columns, "refusal": Column(refusal)})
    rows = hub.turn(replace(batch, frames=(*batch.frames[:2], report)), late=False).rows
    (refused,) = [row for row in rows if row.refused]
    assert (refused.loop, refused.verdict, refused.junction) == ("cabinet", "maximum_red", "J21")
    assert hub.totals.refused == 1


def test_two_acts_in_one_second_are_two(hub: Hub, site: Site) -> None:
    hub.turn(tick(site, 1), late=False)
    first = hub.operate("J11", "hold", 2, minutes=5)
    second = hub.operate("J11", "release", -1, minutes=5)
    assert second.orders[0].issued_at > first.orders[0].issued_at
    assert first.rows[0].id != second.rows[0].id


@pytest.mark.parametrize(
    ("junction", "minutes", "why"), [("Z", 5, "does not exist"), ("J11", 0, "at most 240")]
)
def test_an_impossible_command_is_refused_with_a_sentence(
    hub: Hub, site: Site, junction: str, minutes: float, why: str
) -> None:
    hub.turn(tick(site, 1), late=False)
    with pytest.raises(RefusedError, match=why):
        hub.operate(junction, "hold", 2, minutes)


def test_a_hub_that_starts_again_is_where_it_was(hub: Hub, site: Site, tenant: Tenant) -> None:
    effects = [hub.set_mode(LOOP, "east", Mode.ADVISE, "")]
    effects += [hub.turn(tick(site, s, queue_at=s), late=False) for s in range(1, 8)]
    effects.append(hub.operate("J11", "flash", -2, minutes=5))
    batches = [batch for effect in effects for batch in effect.batches]
    again = build_hub(site, tenant, epoch=4)
    for position, batch in enumerate(batches, 1):
        again.replay(Commit(Position(position), wall_time(), batch))
    ours, theirs = again.save(), hub.save()
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        np.testing.assert_array_equal(value, theirs[name], err_msg=name)


def test_a_new_run_forgets_advice_of_the_old(hub: Hub, site: Site) -> None:
    advise(hub, site)
    hub.turn(tick(site, 90_000, run="b"), late=True)
    assert not list(hub.approvals)


def test_after_a_restart_people_see_the_newest_decisions_with_their_numbers(
    hub: Hub, site: Site, tenant: Tenant
) -> None:
    batches = [b for s in range(1, 8) for b in hub.turn(tick(site, s, s), late=False).batches]
    commits = [Commit(Position(i), wall_time(), batch) for i, batch in enumerate(batches, 1)]
    again = build_hub(site, tenant, epoch=4)
    again.load(hub.save())
    again.remind(commits)
    assert list(again.recent) == list(hub.recent)
    assert again.recent[-1].number == again.totals.decisions


def test_a_loop_goes_back_to_its_first_version_live_and_on_record(hub: Hub, site: Site) -> None:
    hub.turn(tick(site, 1), late=False)
    hub.set_version(LOOP, "1", "too many stops in the east", "Li")
    (row,) = hub.loops.rows()
    assert (row.version, row.versions, row.ticks) == ("1", ["2", "1"], 0)
    effects = hub.turn(tick(site, 2), late=False)
    assert effects.orders[0].rows.size == 16
    assert {row.why.code for row in effects.rows if row.why} <= {
        "pressure_highest",
        "pressure_higher",
    }


def test_a_version_that_is_not_installed_is_refused_with_what_there_is(
    hub: Hub, site: Site
) -> None:
    hub.turn(tick(site, 1), late=False)
    with pytest.raises(RefusedError, match="no version 7 installed; it can be 2 or 1"):
        hub.set_version(LOOP, "7", "", "Li")


def test_versions_and_shadow_results_survive_a_restart(
    hub: Hub, site: Site, tenant: Tenant
) -> None:
    batches = list(hub.turn(tick(site, 1), late=False).batches)
    batches += hub.set_version(LOOP, "1", "to see", "Li").batches
    batches += hub.set_mode(LOOP, "east", Mode.SHADOW, "").batches
    batches += [b for s in range(2, 200) for b in hub.turn(tick(site, s), late=False).batches]
    replayed, loaded = build_hub(site, tenant, epoch=4), build_hub(site, tenant, epoch=4)
    for position, batch in enumerate(batches, 1):
        replayed.replay(Commit(Position(position), wall_time(), batch))
    loaded.load(hub.save())
    for again in (replayed, loaded):
        (row,) = again.loops.rows()
        assert row.version == "1"
        (east,) = [group.shadow for group in row.groups if group.name == "east"]
        assert east is not None
        assert (east.since, east.ticks) == ("1970-01-01T00:00:02.000Z", 179)
        for name, value in hub.save().items():
            np.testing.assert_array_equal(again.save()[name], value, err_msg=name)


def test_acting_is_refused_with_what_the_shadow_result_lacks(hub: Hub, site: Site) -> None:
    hub.turn(tick(site, 1), late=False)
    hub.set_mode(LOOP, "east", Mode.SHADOW, "")
    with pytest.raises(RefusedError, match="it has decided for 0 of 60 minutes"):
        hub.set_mode(LOOP, "east", Mode.ACT, "")


def a_plan(site: Site, green_s: float) -> TimePlan:
    """Every junction gives each phase of its own plan the same green."""
    parts = [
        JunctionPlan(own.junction, [Green(step.phase, green_s) for step in own.phases], 0.0)
        for own in own_plans(site.network.bank)
    ]
    return TimePlan("even", parts)


def test_plans_and_calendar_are_recorded_and_survive_a_restart(
    hub: Hub, site: Site, tenant: Tenant
) -> None:
    batches = list(hub.turn(tick(site, 1), late=False).batches)
    batches += hub.set_plans([a_plan(site, 20)], "Li").batches
    calendar = Calendar([CalendarEntry("even", ["thu"], "08:00", "09:00")])
    batches += hub.set_calendar(calendar, "Wang").batches
    replayed, loaded = build_hub(site, tenant, epoch=4), build_hub(site, tenant, epoch=4)
    for position, batch in enumerate(batches, 1):
        replayed.replay(Commit(Position(position), wall_time(), batch))
    loaded.load(hub.save())
    for again in (hub, replayed, loaded):
        assert again.plans.schedule == hub.plans.schedule
        assert (again.plans.plans(again.now).number, again.plans.plans(again.now).by) == (1, "Li")
        # Midnight of 1970 is eight o'clock on a Thursday in Hangzhou.
        assert again.plans.plans(again.now).in_force == "even"


def test_a_plan_against_a_limit_is_refused_and_changes_nothing(hub: Hub, site: Site) -> None:
    hub.turn(tick(site, 1), late=False)
    with pytest.raises(RefusedError, match=r"junction J11: phase 1: green 4 s is below"):
        hub.set_plans([a_plan(site, 4)], "Li")
    assert hub.plans.schedule.plans == []


def test_a_rule_of_retention_is_recorded_and_survives_a_restart(
    hub: Hub, site: Site, tenant: Tenant
) -> None:
    batches = list(hub.turn(tick(site, 1), late=False).batches)
    batches += hub.set_retention([Keep("LaneDetector", "P7D", 300.0, "P30D")], "Li").batches
    replayed, loaded = build_hub(site, tenant, epoch=4), build_hub(site, tenant, epoch=4)
    for position, batch in enumerate(batches, 1):
        replayed.replay(Commit(Position(position), wall_time(), batch))
    loaded.load(hub.save())
    for again in (hub, replayed, loaded):
        row = next(row for row in again.retention.rows() if row.type == "LaneDetector")
        assert (row.raw, row.every_s, row.kept, row.changed_by) == ("P7D", 300.0, "P30D", "Li")
    tenant.log.append(batches)
    tenant.context.store()
    in_force = keeps_in_force(declared(), tenant.context)["LaneDetector"]
    assert in_force == Keep("LaneDetector", "P7D", 300.0, "P30D")


@pytest.mark.parametrize(
    ("keep", "why"),
    [
        (Keep("Decision", "P1Y", None, "P1Y"), "is a record"),
        (Keep("Decision", "P5Y", 60.0, "P9Y"), "are events"),
        (Keep("SignalController", "P7D", 60.0, "P1Y"), "is a record"),
        (Keep("LaneDetector", "P90D", 60.0, "P30D"), "longer than kept"),
        (Keep("Nothing", "P90D", None, "P90D"), "not declared"),
    ],
)
def test_a_record_is_never_let_go_of_before_its_time(
    hub: Hub, site: Site, keep: Keep, why: str
) -> None:
    hub.turn(tick(site, 1), late=False)
    with pytest.raises(RefusedError, match=why):
        hub.set_retention([keep], "Li")
