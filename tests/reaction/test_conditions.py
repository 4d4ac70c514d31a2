"""From conditions to alarms: delays, groups, causes before consequences."""

from cityloop.kernel.clock import CityTime, WallTime
from cityloop.reaction.alarms import Alarm
from cityloop.reaction.conditions import Announcer, Condition, Delays, Instant, unexplained


def at(second: float, run: str = "a") -> Instant:
    ms = round(1000 * second)
    return Instant(run, CityTime(ms), WallTime(ms))


def silent(junction: str, *names: str) -> list[Condition]:
    data = {"junction": junction, "silent_s": 61}
    return [Condition("sensor-silent", name, data, junction) for name in names]


def raised(*conditions: Condition, junctions: int = 16) -> list[Alarm]:
    seen = {condition.key: condition for condition in conditions}
    told = Announcer(junctions).tell([], set(seen), seen, at(0))
    assert {act for act, _ in told} <= {"raised"}
    return [alarm for _, alarm in told]


def test_a_queue_is_told_of_when_it_has_lasted() -> None:
    queue = ("long-queue", "J1")
    delays = Delays()
    looks = [delays.settle({queue}, at(second)) for second in (0, 90, 179, 180)]
    assert looks == [set(), set(), set(), {queue}]


def test_one_look_at_a_fast_city_is_no_proof() -> None:
    queue = ("long-queue", "J1")
    delays = Delays()
    assert [len(delays.settle({queue}, at(600 * look))) for look in range(3)] == [0, 0, 1]


def test_what_flickers_is_told_of_once() -> None:
    delays, sensor = Delays(), ("sensor-silent", "a")
    looks = [
        delays.settle({sensor} if second % 2 else set(), at(second)) for second in range(1, 60)
    ]
    assert looks == [{sensor}] * 59


def test_a_new_run_begins_the_wait_anew() -> None:
    queue = ("long-queue", "J1")
    delays = Delays()
    for second in (0, 100):
        delays.settle({queue}, at(second))
    assert delays.settle({queue}, at(86_400, run="b")) == set()


def test_twelve_sensors_of_one_junction_are_one_alarm() -> None:
    (alarm,) = raised(*silent("J1", *"abcdefghijkl"))
    assert (alarm.subject, len(alarm.members)) == ("J1", 12)
    assert alarm.text == "12 sensors of J1: nothing heard for 61 s."


def test_half_of_all_junctions_at_once_are_one_alarm_of_the_city() -> None:
    (alarm,) = raised(*[c for j in range(8) for c in silent(f"J{j}", f"s{j}")])
    assert (alarm.subject, alarm.junction, len(alarm.members)) == ("city", None, 8)


def test_a_few_junctions_have_an_alarm_each() -> None:
    alarms = raised(*[c for j in range(3) for c in silent(f"J{j}", f"s{j}")])
    assert [alarm.subject for alarm in alarms] == ["J0", "J1", "J2"]


def test_a_dead_twin_explains_silent_sensors() -> None:
    dead = Condition("process-down", "twin", {"process": "twin", "times": 1})
    seen = {condition.key: condition for condition in [dead, *silent("J1", "a")]}
    assert unexplained(seen, {}) == {dead.key}


def test_a_silent_sensor_explains_the_local_plan_of_its_junction_alone() -> None:
    sensor = silent("J1", "a")
    plans = [Condition("fallback", f"S:{j}", {"minutes": 1}, j) for j in ("J1", "J2")]
    seen = {condition.key: condition for condition in [*sensor, *plans]}
    assert unexplained(seen, {}) == {sensor[0].key, plans[1].key}


def test_what_people_know_already_is_not_taken_back_by_its_cause() -> None:
    dead = Condition("process-down", "twin", {"process": "twin", "times": 1})
    (sensor,) = silent("J1", "a")
    seen = {dead.key: dead, sensor.key: sensor}
    assert unexplained(seen, {sensor.key: "J1"}) == {dead.key, sensor.key}
