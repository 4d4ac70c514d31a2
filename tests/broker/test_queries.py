"""Queries over HTTP, as any client asks them."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.broker.places import Place
from tests.broker.running import Running, running

HALL = "urn:ngsi-ld:Hall:1"


def lamp(number: int, **more: object) -> dict[str, object]:
    return {
        "id": f"urn:ngsi-ld:Lamp:{number}",
        "type": "Lamp",
        "level": number,
        "in": {"type": "Relationship", "object": HALL},
        "location": {
            "type": "GeoProperty",
            "value": {"type": "Point", "coordinates": [8 + number / 10, 40]},
        },
        **more,
    }


@pytest.fixture(scope="module")
def broker(shared_place: Place, unused_port: int) -> Iterator[Running]:
    with running(shared_place, unused_port) as started:
        for number in range(1, 6):
            started.post("/entities", lamp(number))
        inside = {"type": "Relationship", "object": "urn:ngsi-ld:Lamp:1"}
        started.post("/entities", {"id": HALL, "type": "Hall", "name": "North", "shows": inside})
        yield started


def numbers(answer: Any) -> list[int]:
    return [int(entity["id"].rpartition(":")[2]) for entity in answer]


def test_pages_follow_one_another_and_know_the_total(broker: Running) -> None:
    seen: list[int] = []
    address = "/entities?type=Lamp&limit=2&count=true"
    while address:
        answer = broker.client.get(address)
        assert answer.headers["NGSILD-Results-Count"] == "5"
        seen += numbers(answer.json())
        address = answer.links.get("next", {}).get("url", "").removeprefix("/ngsi-ld/v1")
    assert seen == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("type=Lamp&q=level>2;level!=4", [3, 5]),
        ('type=Lamp&q=in{Hall:name}=="North";level<3&join=inline', [1, 2]),
        ("type=Lamp&idPattern=[45]$", [4, 5]),
        ("type=Lamp&id=urn:ngsi-ld:Lamp:2,urn:ngsi-ld:Hall:1", [2]),
        ("type=Lamp&orderBy=level;desc&limit=2", [5, 4]),
        ("type=Lamp&orderBy=location;dist-asc&orderFrom=[8.3,40]&limit=1", [3]),
        (
            "attrs=level&georel=near;maxDistance==9000&geometry=Point&coordinates=[8.2,40]",
            [1, 2, 3],
        ),
    ],
)
def test_a_query_finds(broker: Running, query: str, expected: list[int]) -> None:
    assert numbers(broker.get(f"/entities?{query}")) == expected


def test_a_query_in_a_body_finds_what_one_in_the_address_does(broker: Running) -> None:
    body = {"type": "Query", "entities": [{"type": "Lamp"}], "q": "level>3", "pick": ["id"]}
    assert broker.post("/entityOperations/query", body).json() == broker.get(
        "/entities?type=Lamp&q=level>3&pick=id"
    )


def test_what_is_linked_stands_in_the_relationship_and_leads_back_to_nobody(
    broker: Running,
) -> None:
    lamp_one = broker.get("/entities/urn:ngsi-ld:Lamp:1?join=inline&joinLevel=3&pick=id,in")
    assert lamp_one["in"]["entity"]["name"] == {"type": "Property", "value": "North"}
    assert "entity" not in lamp_one["in"]["entity"]["shows"]


def test_what_is_linked_follows_once(broker: Running) -> None:
    flat = broker.get("/entities?type=Lamp&join=flat&pick=id,in{id,name}&options=keyValues")
    assert flat[5:] == [{"id": HALL, "name": "North"}]


def test_geojson_is_a_collection_with_its_context(broker: Running) -> None:
    body = broker.get("/entities?type=Lamp&limit=1", Accept="application/geo+json")
    assert body["type"] == "FeatureCollection"
    assert body["features"][0]["geometry"] == {"type": "Point", "coordinates": [8.1, 40]}
    assert "@context" in body


def test_a_reader_of_an_earlier_version_gets_what_that_can_say(broker: Running) -> None:
    colour = {"type": "VocabProperty", "vocab": "red"}
    broker.post("/entities", {"id": "urn:ngsi-ld:Sign:1", "type": "Sign", "colour": colour})
    answer = broker.client.get("/entities/urn:ngsi-ld:Sign:1", headers={"Prefer": "ngsi-ld=1.5"})
    assert answer.status_code == 203
    assert answer.headers["Preference-Applied"] == "ngsi-ld=1.5"
    assert answer.json()["colour"]["type"] == "Property"


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("id=urn:x:1", "BadRequestData"),
        ("q=createdAt", "BadRequestData"),
        ("attrs=createdAt", "BadRequestData"),
        ("type=Lamp&q=in{name}", "BadRequestData"),
        ("type=Lamp&pick=id&attrs=level", "BadRequestData"),
        ("type=Lamp&pick=in{in{id}}&join=flat", "BadRequestData"),
        ("type=Lamp&limit=0", "BadRequestData"),
        ("type=Lamp&limit=1001", "TooManyResults"),
        ("type=Lamp&orderBy=location;dist-asc", "BadRequestData"),
        ("type=Lamp&geometryProperty=location", "BadRequestData"),
        ("type=*&local=false", "BadRequestData"),
        ("type=Lamp&options=nonsense", "InvalidRequest"),
        ("type=Lamp&nonsense=1", "InvalidRequest"),
        ('type=Lamp&q=level~="(a%2B)%2B"', "TooComplexQuery"),
    ],
)
def test_what_cannot_be_answered_is_a_problem_of_the_standard(
    broker: Running, query: str, kind: str
) -> None:
    answer = broker.client.get(f"/entities?{query}")
    assert answer.json()["type"] == f"https://uri.etsi.org/ngsi-ld/errors/{kind}"
    assert 400 <= answer.status_code < 500


def test_an_entity_map_is_refused_with_a_reason(broker: Running) -> None:
    answer = broker.client.get("/entities?type=Lamp&entityMap=true")
    assert answer.status_code == 501
    assert "entity map" in answer.json()["detail"]


def test_types_and_attributes_are_discovered(broker: Running) -> None:
    assert {"Hall", "Lamp"} <= set(broker.get("/types")["typeList"])
    lamps = broker.get("/types/Lamp")
    assert lamps["entityCount"] == 5
    kinds = {each["attributeName"]: each["attributeTypes"] for each in lamps["attributeDetails"]}
    assert kinds == {"in": ["Relationship"], "level": ["Property"], "location": ["GeoProperty"]}
    assert "name" in broker.get("/attributes")["attributeList"]
    level = broker.get("/attributes/level")
    assert (level["attributeCount"], level["typeNames"]) == (5, ["Lamp"])
    assert broker.client.get("/types/Nothing").status_code == 404
    assert broker.client.get("/attributes/id").status_code == 404
