"""When a subscription tells, rule by rule (GS CIM 009, 5.2.12, 5.2.14, 5.8.6)."""

import asyncio
import shutil
from pathlib import Path

import pytest

from cityloop.interconnection.broker.contexts import CORE_TERMS
from cityloop.interconnection.broker.parcels import Told
from cityloop.interconnection.broker.queries import Queries
from cityloop.standards.cim.times import write_datetime
from tests.broker.desk import NOWHERE, START, desk, subscribed
from tests.broker.scene import drive

LAMP = "urn:lamp:1"
COLOUR = CORE_TERMS.expand("colour")

STORY = {
    "entityCreated": ["created"],
    "entityUpdated": ["updated", "attribute created", "attribute deleted"],
    "entityDeleted": ["deleted"],
    "attributeCreated": ["created", "attribute created"],
    "attributeUpdated": ["updated"],
    "attributeDeleted": ["attribute deleted", "deleted"],
}


@pytest.mark.parametrize("trigger", STORY)
def test_each_trigger_tells_of_its_own_events_and_of_no_others(
    tmp_path: Path, trigger: str
) -> None:
    async def scene() -> None:
        async with desk(tmp_path) as here:
            await subscribed(here, notificationTrigger=[trigger])
            story = {
                "created": here.write(LAMP, 1),
                "updated": here.write(LAMP, 2),
                "attribute created": here.write(LAMP, 3, COLOUR),
                "attribute deleted": here.drop(LAMP, COLOUR),
                "deleted": here.delete(LAMP),
            }
            told = []
            for name, write in story.items():
                before = len(await here.told())
                await write
                told += [name] * (len(await here.told()) - before)
            expected = STORY[trigger]
            if trigger == "entityUpdated":
                expected = ["created", *expected, "deleted"]
            assert told == expected

    drive(scene())


def test_only_watched_attributes_count(tmp_path: Path) -> None:
    async def scene() -> None:
        async with desk(tmp_path) as here:
            await here.write(LAMP, 1)
            await subscribed(here, watchedAttributes=["colour"])
            await here.write(LAMP, 2)
            assert await here.told() == []
            await here.write(LAMP, "red", COLOUR)
            assert len(await here.told()) == 1

    drive(scene())


def test_throttling_passes_over_what_comes_too_soon_and_tells_what_comes_later(
    tmp_path: Path,
) -> None:
    async def scene() -> None:
        async with desk(tmp_path) as here:
            await subscribed(here, throttling=5)
            for moment, level in ((0, 1), (4_999, 2), (5_000, 3), (9_999, 4), (10_000, 5)):
                here.now = START + moment
                await here.write(LAMP, level)
            assert await here.levels() == [1, 3, 5]

    drive(scene())


def test_a_power_cut_does_not_make_throttling_forget(tmp_path: Path) -> None:
    async def scene() -> None:
        async with desk(tmp_path / "before") as here:
            await subscribed(here, throttling=5)
            await here.write(LAMP, 1)
            shutil.copytree(tmp_path / "before", tmp_path / "after")
        async with desk(tmp_path / "after") as here:
            here.now = START + 4_999
            await here.write(LAMP, 2)
            here.now = START + 5_000
            await here.write(LAMP, 3)
            assert await here.levels() == [1, 3]

    drive(scene())


def test_after_its_end_a_subscription_tells_nothing(tmp_path: Path) -> None:
    async def scene() -> None:
        async with desk(tmp_path) as here:
            id_ = await subscribed(here, expiresAt=write_datetime(START + 1_000))
            await here.write(LAMP, 1)
            here.now = START + 1_000
            await here.write(LAMP, 2)
            assert await here.levels() == [1]
            assert here.subscriptions.retrieve(id_, CORE_TERMS)["status"] == "expired"
            assert here.subscriptions.why(id_, LAMP, CORE_TERMS)["verdict"] == "expired"

    drive(scene())


def test_a_paused_subscription_tells_nothing_until_it_is_resumed(tmp_path: Path) -> None:
    async def scene() -> None:
        async with desk(tmp_path) as here:
            id_ = await subscribed(here, isActive=False)
            await here.write(LAMP, 1)
            await here.subscriptions.update(id_, {"isActive": True}, CORE_TERMS)
            await here.write(LAMP, 2)
            await here.subscriptions.update(id_, {"isActive": False}, CORE_TERMS)
            await here.write(LAMP, 3)
            assert await here.levels() == [2]

    drive(scene())


def test_show_changes_tells_what_was_before(tmp_path: Path) -> None:
    async def scene() -> None:
        async with desk(tmp_path) as here:
            wanted = {"showChanges": True, "endpoint": {"uri": NOWHERE}}
            await subscribed(here, notification=wanted)
            await here.write(LAMP, 1)
            await here.write(LAMP, 2)
            first, second = await here.told()
            assert first[0]["level"] == {"type": "Property", "value": 1}
            assert second[0]["level"] == {"type": "Property", "value": 2, "previousValue": 1}

    drive(scene())


def test_time_interval_tells_though_nothing_changes(tmp_path: Path) -> None:
    async def scene() -> None:
        async with desk(tmp_path) as here:
            here.subscriptions.start(queries := Queries(here.store))
            await here.write(LAMP, 1)
            await subscribed(here, timeInterval=0.01)
            while len(here.clerk.tells) < 2:
                here.clerk.came.clear()
                await asyncio.wait_for(here.clerk.came.wait(), 20)
            assert set(await here.levels()) == {1}
            queries.close()

    drive(scene())


@pytest.mark.parametrize(("cooldown_ms", "pause_ms"), [(None, 1_000), (90_000, 90_000)])
def test_after_a_failure_a_subscriber_is_left_alone_for_its_cooldown(
    tmp_path: Path, cooldown_ms: int | None, pause_ms: int
) -> None:
    async def scene() -> None:
        async with desk(tmp_path) as here:
            endpoint = {"uri": NOWHERE} | ({"cooldown": cooldown_ms} if cooldown_ms else {})
            id_ = await subscribed(here, notification={"endpoint": endpoint})
            await here.write(LAMP, 1)
            await here.told()
            (tell,) = here.clerk.tells
            here.report(Told(tell.to[0], [tell.n], here.now, "the answer was 500"))
            said = here.subscriptions.why(id_, LAMP, CORE_TERMS)
            assert said["deliveries"]["nextAttempt"] == write_datetime(START + pause_ms)
            await here.write(LAMP, 2)
            assert await here.levels() == [1]
            assert said["deliveries"]["pending"] == 1

    drive(scene())


def test_of_several_writes_in_one_commit_one_message_tells(tmp_path: Path) -> None:
    async def scene() -> None:
        async with desk(tmp_path) as here:
            await subscribed(here)
            writes = [here.write(f"urn:lamp:{number}", number) for number in range(3)]
            await asyncio.gather(*writes)
            assert [len(told) for told in await here.told()] == [3]

    drive(scene())
