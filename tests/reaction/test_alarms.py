"""Alarms: whatever happens in whatever order, no state is impossible and nothing is lost."""

from contextlib import suppress

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cityloop.city.alarm_frames import event_frame, read_events
from cityloop.city.desk import BY_ITSELF, Desk, Escalation, Moment
from cityloop.kernel.clock import CityTime, WallTime
from cityloop.kernel.errors import RefusedError
from cityloop.kernel.frame import Frame
from cityloop.reaction.alarm_kinds import KINDS, Kind
from cityloop.reaction.alarms import Alarm
from cityloop.reaction.conditions import Announcer, Condition, Delays, Instant, unexplained

JUNCTIONS = ("J1", "J2", "J3", "J4", "J5", "J6")
ESCALATE_S = 60.0
TROUBLE = [
    Condition(kind, f"{kind}{junction}{n}", {"junction": junction, **data}, junction)
    for junction in JUNCTIONS
    for n in range(2)
    for kind, data in (
        ("sensor-silent", {"silent_s": 61}),
        ("cabinet-silent", {"silent_s": 61}),
        ("fallback", {"minutes": 1}),
    )
] + [Condition("log-failing", "log", {"error": "disk full", "waiting": 3})]
people = st.sampled_from(["Li Wei", "Ana"])


class City(RuleBasedStateMachine):
    """Trouble comes and goes, time goes by, people act; the desk's record is folded beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk(Escalation(ESCALATE_S, "chief"))
        self.twin = Desk(Escalation(ESCALATE_S, "chief"))
        self.delays, self.announcer = Delays(), Announcer(len(JUNCTIONS))
        self.ms = 0
        self.seen: dict[tuple[str, str], Condition] = {}
        self.held: set[tuple[str, str]] = set()
        self.raised: set[str] = set()

    @rule(chosen=st.sets(st.integers(0, len(TROUBLE) - 1), max_size=12))
    def trouble(self, chosen: set[int]) -> None:
        self.seen = {TROUBLE[i].key: TROUBLE[i] for i in chosen}

    @rule(seconds=st.sampled_from([1, 5, 40, 400, 4000]))
    def look(self, seconds: int) -> None:
        self.ms += 1000 * seconds
        now = Instant("a", CityTime(self.ms), WallTime(self.ms))
        self.desk.hear_time(now.wall)
        alarms = self.desk.alarms
        told = {(alarm.kind, name): alarm.subject for alarm in alarms for name in alarm.members}
        self.held = self.delays.settle(unexplained(self.seen, told), now)
        happened = self.announcer.tell(alarms, self.held, self.seen, now)
        self.raised |= {alarm.id for act, alarm in happened if act == "raised"}
        self.record(self.desk.enter(happened, self.moment))
        self.every_condition_in_force_is_in_one_alarm()
        self.shelves_that_are_over_are_empty()
        self.somebody_was_called_about_what_nobody_looks_at()

    def act(self, verb: str, data: st.DataObject, **arguments: object) -> None:
        known = sorted(self.raised)
        chosen = data.draw(st.sampled_from(known))
        with suppress(RefusedError):
            self.record(self.desk.attend(verb, {"id": chosen, **arguments}, self.moment))

    @precondition(lambda self: self.raised)
    @rule(data=st.data(), by=people)
    def acknowledge(self, data: st.DataObject, by: str) -> None:
        self.act("acknowledge", data, by=by, note="")

    @precondition(lambda self: self.raised)
    @rule(data=st.data(), by=people, minutes=st.sampled_from([0.1, 1, 30, 1440]))
    def shelve(self, data: st.DataObject, by: str, minutes: float) -> None:
        self.act("shelve", data, by=by, minutes=minutes, reason="works in the street")

    @precondition(lambda self: self.raised)
    @rule(data=st.data(), by=people)
    def unshelve(self, data: st.DataObject, by: str) -> None:
        self.act("unshelve", data, by=by)

    @precondition(lambda self: self.raised)
    @rule(data=st.data(), by=people)
    def escalate(self, data: st.DataObject, by: str) -> None:
        self.act("escalate", data, by=by, to="police", note="")

    @rule()
    def restart(self) -> None:
        """A new hub: the saved desk, and what it was told of."""
        reborn = Desk(Escalation(ESCALATE_S, "chief"))
        reborn.load(self.desk.save())
        reborn.hear_time(WallTime(self.ms))
        self.desk, self.delays = reborn, Delays()
        self.delays.hold((a.kind, name) for a in reborn.alarms for name in a.members)

    @property
    def moment(self) -> Moment:
        return Moment("a", CityTime(self.ms))

    def record(self, frames: list[Frame]) -> None:
        self.twin.replay(frames)

    def every_condition_in_force_is_in_one_alarm(self) -> None:
        members = [(alarm.kind, name) for alarm in self.desk.alarms for name in alarm.members]
        assert len(members) == len(set(members))
        assert set(members) == self.held

    def shelves_that_are_over_are_empty(self) -> None:
        assert all(a.shelved_until is None or a.shelved_until > self.ms for a in self.desk.alarms)

    def somebody_was_called_about_what_nobody_looks_at(self) -> None:
        for alarm in self.desk.alarms:
            if alarm.severity == "critical" and alarm.state == "unacknowledged":
                assert alarm.escalated_to or self.ms - alarm.asked_at < 1000 * ESCALATE_S

    @invariant()
    def no_alarm_is_in_an_impossible_state(self) -> None:
        for alarm in self.desk.alarms:
            assert alarm.state != "closed"
            assert alarm.active == bool(alarm.members)
            assert (alarm.cleared_at is not None) == (not alarm.active)
            assert (alarm.shelved_until is None) == (alarm.shelve_reason is None)
            assert set(alarm.members) <= set(alarm.known)
            assert alarm.text

    @invariant()
    def the_record_gives_the_same_desk(self) -> None:
        assert [msgspec.json.encode(rows) for rows in self.twin.all()] == [
            msgspec.json.encode(rows) for rows in self.desk.all()
        ]

    @invariant()
    def nothing_that_was_raised_is_lost(self) -> None:
        assert self.raised <= {row.id for row in self.desk.all()[0]}


City.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestAlarms = City.TestCase


def desk_with(*conditions: Condition, wall: int = 1_000) -> tuple[Desk, Alarm]:
    """A desk with one alarm of these conditions."""
    desk = Desk(Escalation())
    desk.hear_time(WallTime(wall))
    seen = {condition.key: condition for condition in conditions}
    now = Instant("a", CityTime(0), WallTime(wall))
    happened = Announcer(16).tell([], set(seen), seen, now)
    desk.enter(happened, Moment("a", CityTime(0)))
    (alarm,) = desk.alarms
    return desk, alarm


def silent(*names: str) -> list[Condition]:
    data = {"junction": "J1", "silent_s": 61}
    return [Condition("sensor-silent", name, data, "J1") for name in names]


def test_an_event_and_its_frame_hold_the_same() -> None:
    desk, _ = desk_with(*silent("a", "b"))
    event = desk._alarms.events()[0]
    part = event_frame([event], "a", CityTime(0))
    assert read_events(part) == [event]


def test_more_members_bring_a_shelved_alarm_back() -> None:
    desk, alarm = desk_with(*silent("a"))
    shelve = {"id": alarm.id, "by": "Ana", "minutes": 60, "reason": "works"}
    desk.attend("shelve", shelve, Moment("a", CityTime(0)))
    more = {condition.key: condition for condition in silent("a", "b")}
    now = Instant("a", CityTime(5_000), WallTime(6_000))
    ((act, after),) = Announcer(16).tell(desk.alarms, set(more), more, now)
    assert (act, after.state, after.members) == ("changed", "unacknowledged", ("a", "b"))


def test_another_member_asks_people_to_look_again_although_no_more_have_it() -> None:
    desk, alarm = desk_with(*silent("a"))
    now = Moment("a", CityTime(0))
    desk.attend("acknowledge", {"id": alarm.id, "by": "Ana", "note": ""}, now)
    (other,) = silent("b")
    later = Instant("a", CityTime(5_000), WallTime(6_000))
    ((_, after),) = Announcer(16).tell(desk.alarms, {other.key}, {other.key: other}, later)
    assert (after.state, after.members) == ("unacknowledged", ("b",))


def test_what_the_time_does_is_recorded_as_automatic() -> None:
    desk, alarm = desk_with(Condition("log-failing", "log", {"error": "full", "waiting": 1}))
    desk.hear_time(WallTime(alarm.asked_at + 600_000))
    (part,) = desk.enter([], Moment("a", CityTime(0)))
    assert (part["act"][0], part["by"][0]) == ("escalated", BY_ITSELF)


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_every_kind_says_a_sentence_for_one_and_for_many(kind: Kind) -> None:
    numbers = dict.fromkeys(
        ("age_s", "disk", "failures", "free_gb", "free_percent", "junctions", "limit_ms"), 2
    )
    numbers |= dict.fromkeys(("minutes", "p99_ms", "queued", "refused", "rejected", "silent_s"), 2)
    numbers |= dict.fromkeys(("times", "waited_s", "waiting"), 2)
    words = dict.fromkeys(
        ("process", "error", "source", "reason", "loop", "expires_at", "attribute", "where"), "x"
    )
    words |= dict.fromkeys(("passed", "missing"), "x")
    for count in (1, 12):
        assert kind.sentence({**numbers, **words, "count": count}).endswith((".", "x"))
