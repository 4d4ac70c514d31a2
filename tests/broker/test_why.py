"""Why a subscription was told of an entity, or was not: every answer there is."""

import asyncio
from pathlib import Path
from typing import Any

from cityloop.interconnection.broker.contexts import CORE_TERMS
from tests.broker.desk import desk, subscribed
from tests.broker.hearer import Hearer, hearing
from tests.broker.scene import Broker, drive, running, subscription

LAMP = "urn:lamp:1"


def answer(tmp_path: Path, write: bool = True, **members: Any) -> dict[str, Any]:
    """What is said of a lamp whose level is 3, right after it was written."""
    said: dict[str, Any] = {}

    async def scene() -> None:
        async with desk(tmp_path) as broker:
            id_ = await subscribed(broker, **members)
            if write:
                await broker.write(LAMP, 3)
            said.update(broker.subscriptions.why(id_, LAMP, CORE_TERMS))

    drive(scene())
    return said


def failed(said: dict[str, Any]) -> list[tuple[str, str, str]]:
    checks = said["checks"]
    return [(one["part"], one["asks"], one["has"]) for one in checks if not one["holds"]]


def test_an_entity_that_never_was(tmp_path: Path) -> None:
    assert answer(tmp_path, write=False)["verdict"] == "noEntity"


def test_another_type(tmp_path: Path) -> None:
    said = answer(tmp_path, entities=[{"type": "Car|Bus"}])
    assert said["verdict"] == "notMatching"
    assert failed(said) == [("type", "Car|Bus", "Lamp")]


def test_another_id(tmp_path: Path) -> None:
    said = answer(tmp_path, entities=[{"type": "Lamp", "id": "urn:lamp:2"}])
    assert failed(said) == [("id", "urn:lamp:2", LAMP)]


def test_the_very_term_of_q_that_does_not_hold_with_the_value_there(tmp_path: Path) -> None:
    said = answer(tmp_path, q="level>2;level<3;colour==%22red%22")
    assert said["verdict"] == "notMatching"
    assert failed(said) == [
        ("q", "level<3", "level = 3"),
        ("q", 'colour=="red"', "colour is absent"),
    ]


def test_no_place_and_no_scope(tmp_path: Path) -> None:
    near = {"georel": "near;maxDistance==10", "geometry": "Point", "coordinates": [1, 2]}
    said = answer(tmp_path, geoQ=near, scopeQ="/city/#")
    assert failed(said) == [
        ("scopeQ", "/city/#", "no scope"),
        ("geoQ", "near;maxDistance==10 of [1,2]", "location is absent"),
    ]


def test_a_watched_attribute_that_did_not_change(tmp_path: Path) -> None:
    said = answer(tmp_path, watchedAttributes=["colour"])
    assert said["verdict"] == "notTriggered"
    assert failed(said) == [("watchedAttributes", "colour", "level")]


def test_an_event_that_did_not_happen(tmp_path: Path) -> None:
    said = answer(tmp_path, notificationTrigger=["attributeDeleted"])
    assert said["verdict"] == "notTriggered"


def test_paused(tmp_path: Path) -> None:
    assert answer(tmp_path, isActive=False)["verdict"] == "paused"


def test_told_every_so_often(tmp_path: Path) -> None:
    assert answer(tmp_path, timeInterval=3600)["verdict"] == "periodic"


async def until(broker: Broker, id_: str, verdict: str) -> dict[str, Any]:
    """Ask until the answer is that."""
    async with asyncio.timeout(20):
        while True:
            said = broker.subscriptions.why(id_, LAMP, CORE_TERMS)
            if said["verdict"] == verdict:
                return said
            await asyncio.sleep(0.01)


async def ready(broker: Broker, hearer: Hearer, **members: Any) -> str:
    return await broker.subscriptions.create(subscription(hearer, **members), CORE_TERMS)


def test_sent_then_too_soon_for_another(tmp_path: Path) -> None:
    async def scene() -> None:
        async with hearing() as hearer, running(tmp_path) as broker:
            id_ = await ready(broker, hearer, throttling=3600)
            await broker.write(LAMP, 1)
            said = await until(broker, id_, "sent")
            assert said["lastWrite"]["created"] == ["level"]
            await broker.write(LAMP, 2)
            assert broker.subscriptions.why(id_, LAMP, CORE_TERMS)["verdict"] == "throttled"

    drive(scene())


def test_written_before_the_subscription_was_made(tmp_path: Path) -> None:
    async def scene() -> None:
        async with hearing() as hearer, running(tmp_path) as broker:
            await broker.write(LAMP, 1)
            await asyncio.sleep(0.002)
            id_ = await ready(broker, hearer)
            said = broker.subscriptions.why(id_, LAMP, CORE_TERMS)
            assert said["verdict"] == "beforeSubscription"

    drive(scene())


def test_failing_says_how_and_when_it_is_tried_again(tmp_path: Path) -> None:
    async def scene() -> None:
        async with hearing() as hearer, running(tmp_path) as broker:
            id_ = await ready(broker, hearer)
            hearer.answers = [500]
            await broker.write(LAMP, 1)
            said = await until(broker, id_, "failing")
            assert "the answer was 500" in said["answer"]
            assert {"nextAttempt", "pending"} <= said["deliveries"].keys()

    drive(scene())


def test_refused_for_good(tmp_path: Path) -> None:
    async def scene() -> None:
        async with hearing() as hearer, running(tmp_path) as broker:
            id_ = await ready(broker, hearer)
            hearer.answers = [404]
            await broker.write(LAMP, 1)
            said = await until(broker, id_, "dropped")
            assert "the answer was 404" in said["answer"]

    drive(scene())


def test_a_deletion_that_nobody_asked_for(tmp_path: Path) -> None:
    async def scene() -> None:
        async with hearing() as hearer, running(tmp_path) as broker:
            id_ = await ready(broker, hearer)
            await broker.write(LAMP, 1)
            await broker.delete(LAMP)
            said = await until(broker, id_, "notTriggered")
            assert said["lastWrite"]["deleted"] == ["level"]

    drive(scene())


def test_after_a_restart_the_stamps_of_the_entity_tell(tmp_path: Path) -> None:
    async def scene() -> None:
        async with desk(tmp_path) as broker:
            id_ = await subscribed(broker, watchedAttributes=["colour"])
            await broker.write(LAMP, 1)
        async with desk(tmp_path) as broker:
            said = broker.subscriptions.why(id_, LAMP, CORE_TERMS)
            assert failed(said) == [("watchedAttributes", "colour", "level")]

    drive(scene())


def test_all_that_ask_about_an_entity_like_this_one(tmp_path: Path) -> None:
    async def scene() -> None:
        async with desk(tmp_path) as broker:
            for body in ({"q": "level>9"}, {"isActive": False}, {"entities": [{"type": "Car"}]}):
                await subscribed(broker, **body)
            await broker.write(LAMP, 1)
            all_ = broker.subscriptions.why_all(LAMP, CORE_TERMS)
            assert [said["verdict"] for said in all_] == ["notMatching", "paused"]

    drive(scene())
