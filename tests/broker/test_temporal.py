"""How entities evolved: written, told, corrected, and there again after a kill."""

from collections.abc import Iterator

import pytest

from tests.broker.places import Place
from tests.broker.running import Running, running

HOUR = "2020-01-01T0{}:00:00Z"


@pytest.fixture(scope="module")
def broker(long_shared_place: Place, unused_port: int) -> Iterator[Running]:
    with running(long_shared_place, unused_port, "--temporal-page", "3") as started:
        yield started


def past(name: str, *values: float) -> dict[str, object]:
    speed = [
        {"type": "Property", "value": value, "observedAt": HOUR.format(hour)}
        for hour, value in enumerate(values)
    ]
    return {"id": f"urn:ngsi-ld:Bus:{name}", "type": "Bus", "speed": speed}


def pairs(broker: Running, name: str, more: str = "") -> list[list[object]]:
    path = f"/temporal/entities/urn:ngsi-ld:Bus:{name}?options=temporalValues{more}"
    told: list[list[object]] = broker.get(path)["speed"]["values"]
    return told


def test_a_window_is_closed_below_and_open_above(broker: Running) -> None:
    broker.post("/temporal/entities", past("window", 1, 2, 3))
    between = f"&timerel=between&timeAt={HOUR.format(0)}&endTimeAt={HOUR.format(2)}"
    assert [value for value, _ in pairs(broker, "window", between)] == [1, 2]


def test_more_than_a_page_is_told_as_a_part_with_its_range(broker: Running) -> None:
    broker.post("/temporal/entities", past("page", 1, 2, 3, 4, 5))
    answer = broker.client.get("/temporal/entities/urn:ngsi-ld:Bus:page")
    assert answer.status_code == 206
    assert answer.headers["Content-Range"] == f"date-time {HOUR.format(0)}-{HOUR.format(2)}/*"


def test_last_n_tells_the_latest(broker: Running) -> None:
    broker.post("/temporal/entities", past("last", 1, 2, 3))
    assert pairs(broker, "last", "&lastN=1") == [[3, HOUR.format(2)]]


def test_values_are_aggregated_by_period(broker: Running) -> None:
    broker.post("/temporal/entities", past("mean", 1, 3, 8))
    told = broker.get(
        "/temporal/entities?type=Bus&id=urn:ngsi-ld:Bus:mean&options=aggregatedValues"
        f"&aggrMethods=avg,max&aggrPeriodDuration=PT2H&timerel=after&timeAt={HOUR.format(0)}"
    )
    first, second = told[0]["speed"]["avg"]
    assert first == [2, HOUR.format(0), HOUR.format(2)]
    assert second == [8, HOUR.format(2), HOUR.format(4)]


def test_a_correction_lies_over_what_was_said_before(broker: Running) -> None:
    broker.post("/temporal/entities", past("mended", 1, 2))
    path = "/temporal/entities/urn:ngsi-ld:Bus:mended"
    first = broker.get(path)["speed"][0]["instanceId"]
    headers = {"Content-Type": "application/json"}
    broker.client.patch(f"{path}/attrs/speed/{first}", json={"value": 9}, headers=headers)
    assert [value for value, _ in pairs(broker, "mended")] == [9, 2]
    broker.client.delete(f"{path}/attrs/speed/{first}")
    assert [value for value, _ in pairs(broker, "mended")] == [2]


def test_a_second_value_of_the_same_time_replaces_the_first(broker: Running) -> None:
    broker.post("/temporal/entities", past("twice", 1, 2))
    assert broker.post("/temporal/entities", past("twice", 5)).status_code == 204
    assert [value for value, _ in pairs(broker, "twice")] == [5, 2]


def test_what_is_written_to_an_entity_is_its_history_after_a_kill_too(broker: Running) -> None:
    speed = {"type": "Property", "value": 1, "observedAt": HOUR.format(0)}
    broker.post("/entities", {"id": "urn:ngsi-ld:Bus:now", "type": "Bus", "speed": speed})
    later = {"value": 2, "observedAt": HOUR.format(1)}
    path = "/entities/urn:ngsi-ld:Bus:now/attrs/speed"
    broker.client.patch(path, json=later, headers={"Content-Type": "application/json"})
    broker.kill()
    broker.start()
    assert [value for value, _ in pairs(broker, "now")] == [1, 2]


def test_a_query_of_many_sees_all_that_is_acknowledged_before_and_after_a_kill(
    broker: Running,
) -> None:
    speed = {"type": "Property", "value": 1.5, "observedAt": HOUR.format(0)}
    for start in range(0, 3_000, 1_000):
        cars = [
            {"id": f"urn:ngsi-ld:Car:{number:04d}", "type": "Car", "speed": speed}
            for number in range(start, start + 1_000)
        ]
        broker.post("/entityOperations/upsert", cars)
    path = (
        "/temporal/entities?type=Car&limit=1000&offset=2000&options=aggregatedValues"
        f"&aggrMethods=totalCount&timerel=after&timeAt={HOUR.format(0)}"
    )
    told = broker.get(path)
    assert [each["id"][-4:] for each in told] == [f"{number:04d}" for number in range(2000, 3000)]
    broker.kill()
    broker.start()
    assert broker.get(path) == told


def test_as_many_are_told_of_a_named_attribute_as_last_n_says(broker: Running) -> None:
    broker.post("/temporal/entities", past("many", 1, 2, 3, 4, 5))
    path = "/temporal/entities/urn:ngsi-ld:Bus:many?attrs=speed&lastN=5"
    answer = broker.client.get(path)
    assert answer.status_code == 200
    assert len(answer.json()["speed"]) == 5


def test_the_past_outlives_the_entity_until_it_is_deleted_itself(broker: Running) -> None:
    entity = {"id": "urn:ngsi-ld:Bus:gone", "type": "Bus", "speed": 4}
    broker.post("/entities", entity)
    broker.client.delete("/entities/urn:ngsi-ld:Bus:gone")
    assert [value for value, _ in pairs(broker, "gone")] == [4]
    asked = f"/temporal/entities?type=Bus&timerel=after&timeAt={HOUR.format(0)}"
    assert "urn:ngsi-ld:Bus:gone" not in [each["id"] for each in broker.get(asked)]
    assert broker.client.delete("/entities/urn:ngsi-ld:Bus:gone/attrs/speed").status_code == 404
    broker.client.delete("/temporal/entities/urn:ngsi-ld:Bus:gone")
    assert broker.client.get("/temporal/entities/urn:ngsi-ld:Bus:gone").status_code == 404


def test_instances_whose_time_has_come_are_no_longer_told(broker: Running) -> None:
    """4.22, 5.2.5: expiresAt is that of "the storage of the Property"."""
    entity = past("flash", 1)
    entity["flash"] = [{"type": "Property", "value": 2, "expiresAt": HOUR.format(1)}]
    broker.post("/temporal/entities", entity)
    assert broker.get("/temporal/entities/urn:ngsi-ld:Bus:flash").keys() == {"id", "type", "speed"}


def test_an_attribute_can_be_ended_of_which_only_the_past_is_known(broker: Running) -> None:
    broker.post("/temporal/entities", past("ended", 1))
    path = "/entities/urn:ngsi-ld:Bus:ended/attrs/speed"
    assert broker.client.delete(path).status_code == 204
    assert broker.client.delete(path).status_code == 404
    told = broker.get("/temporal/entities/urn:ngsi-ld:Bus:ended?timeproperty=deletedAt")
    assert told["speed"][0]["value"] == "urn:ngsi-ld:null"
    assert "deletedAt" in told["speed"][0]


def test_a_scope_counts_from_when_it_was_set_until_another_takes_its_place(
    broker: Running,
) -> None:
    entity = past("moved", 1, 2, 3)
    entity["scope"] = [
        {"type": "Property", "value": "/North", "observedAt": "2019-12-31T00:00:00Z"},
        {"type": "Property", "value": ["/South", "/Centre"], "observedAt": HOUR.format(2)},
    ]
    broker.post("/temporal/entities", entity)
    asked = f"/temporal/entities?type=Bus&timerel=after&timeAt={HOUR.format(0)}&scopeQ="
    north, south = (broker.get(asked + scope) for scope in ("/North", "/South"))
    assert [each["value"] for each in north[0]["speed"]] == [1, 2]
    assert [each["value"] for each in south[0]["speed"]] == [3]
    assert broker.get(asked + "/East") == []


def test_a_change_of_the_scope_is_told_as_a_property_over_time(broker: Running) -> None:
    """4.5.6: its observedAt "should be set as a copy of the modifiedAt sub-Property"."""
    broker.post("/entities", {"id": "urn:ngsi-ld:Bus:new", "type": "Bus", "scope": "/Old"})
    broker.client.patch("/entities/urn:ngsi-ld:Bus:new", json={"scope": "/New"})
    told = broker.get("/temporal/entities/urn:ngsi-ld:Bus:new?options=sysAttrs")["scope"]
    assert [each["value"] for each in told] == ["/Old", "/New"]
    assert all(each["observedAt"] == each["modifiedAt"] for each in told)


def test_entities_without_attributes_do_not_stop_the_history(broker: Running) -> None:
    bare = [{"id": f"urn:ngsi-ld:Bus:bare{n}", "type": "Bus"} for n in range(3)]
    for entity in bare:
        assert broker.post("/entities", entity).status_code == 201
    asked = f"/temporal/entities?type=Bus&timerel=after&timeAt={HOUR.format(0)}"
    assert broker.client.get(asked).status_code in (200, 206)
