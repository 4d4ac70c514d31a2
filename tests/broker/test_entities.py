"""Entities over HTTP, as any client meets them."""

from collections.abc import Iterator

import pytest

from tests.broker.places import Place
from tests.broker.running import Running, running


@pytest.fixture(scope="module")
def broker(shared_place: Place, unused_port: int) -> Iterator[Running]:
    with running(shared_place, unused_port) as started:
        yield started


def lamp(name: str, level: object = 5) -> dict[str, object]:
    return {"id": f"urn:ngsi-ld:Lamp:{name}", "type": "Lamp", "level": level}


def test_what_was_created_is_read_back_and_gone_when_deleted(broker: Running) -> None:
    level = {"type": "Property", "value": 5, "unitCode": "P1"}
    created = broker.post("/entities", lamp("a", level))
    assert created.status_code == 201
    place = created.headers["Location"]
    assert broker.client.get(f"http://{broker.client.base_url.netloc.decode()}{place}").json() == {
        "id": "urn:ngsi-ld:Lamp:a",
        "type": "Lamp",
        "level": level,
    }
    assert broker.client.delete("/entities/urn:ngsi-ld:Lamp:a").status_code == 204
    assert broker.client.get("/entities/urn:ngsi-ld:Lamp:a").status_code == 404


def test_an_id_that_is_taken_is_refused_in_the_words_of_the_standard(broker: Running) -> None:
    broker.post("/entities", lamp("b"))
    answer = broker.post("/entities", lamp("b", 6))
    assert answer.status_code == 409
    assert answer.json()["type"] == "https://uri.etsi.org/ngsi-ld/errors/AlreadyExists"
    assert broker.get("/entities/urn:ngsi-ld:Lamp:b?options=keyValues")["level"] == 5


def test_a_merge_changes_what_it_names_and_null_deletes(broker: Running) -> None:
    broker.post("/entities", lamp("c", {"value": {"a": 1, "b": 2}, "note": "old"}))
    patch = {"level": {"value": {"b": "urn:ngsi-ld:null", "c": 3}}}
    assert broker.client.patch("/entities/urn:ngsi-ld:Lamp:c", json=patch).status_code == 204
    level = broker.get("/entities/urn:ngsi-ld:Lamp:c?options=concise")["level"]
    assert level == {"value": {"a": 1, "c": 3}, "note": "old"}


def test_one_wrong_entity_of_a_batch_leaves_the_others_be(broker: Running) -> None:
    batch = [lamp("d"), {"id": "urn:ngsi-ld:Lamp:e"}, lamp("f")]
    answer = broker.post("/entityOperations/upsert", batch)
    assert answer.status_code == 207
    assert answer.json()["success"] == ["urn:ngsi-ld:Lamp:d", "urn:ngsi-ld:Lamp:f"]
    assert [each["entityId"] for each in answer.json()["errors"]] == ["urn:ngsi-ld:Lamp:e"]


def test_a_tenant_sees_its_own_entities_alone(broker: Running) -> None:
    tenant = {"NGSILD-Tenant": "north"}
    path = "/entities/urn:ngsi-ld:Lamp:t"
    assert broker.client.get(path, headers=tenant).json()["type"].endswith("NonexistentTenant")
    assert broker.post("/entities", lamp("t"), **tenant).headers["NGSILD-Tenant"] == "north"
    assert broker.client.get(path, headers=tenant).status_code == 200
    assert broker.client.get(path).status_code == 404


@pytest.mark.parametrize(
    ("body", "media", "kind"),
    [
        ("{", "application/json", "InvalidRequest"),
        ("[" * 5000 + "]" * 5000, "application/json", "InvalidRequest"),
        ('{"id": "urn:a:1", "type": "T", "a": null}', "application/json", "BadRequestData"),
        ('{"id": "urn:a:1", "type": "T", "@context": []}', "application/json", "BadRequestData"),
        ('{"id": "urn:a:1", "type": "T"}', "application/ld+json", "BadRequestData"),
        (
            '{"id": "urn:a:1", "type": "T", "@context": "http://127.0.0.1:1/c"}',
            "application/ld+json",
            "LdContextNotAvailable",
        ),
        ('{"id": "urn:a:1", "type": "T"}', "text/plain", "InvalidRequest"),
    ],
)
def test_a_wrong_body_is_told_apart_and_never_half_applied(
    broker: Running, body: str, media: str, kind: str
) -> None:
    answer = broker.client.post("/entities", content=body, headers={"Content-Type": media})
    assert 400 <= answer.status_code < 600
    assert answer.status_code != 500
    assert answer.json()["type"].endswith(kind)
    assert broker.client.get("/entities/urn:a:1").status_code == 404
