"""What a subscriber is told of a commit, whatever dies in between."""

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from paho.mqtt import client as paho

from cityloop.interconnection.broker.contexts import CORE_TERMS
from cityloop.interconnection.broker.held import Written, written
from cityloop.kernel.errors import BusyError
from cityloop.kernel.ports import Position
from cityloop.standards.cim.writes import Put
from tests.broker.hearer import answering, hearing
from tests.broker.scene import Broker, drive, running, subscription
from tests.perception.conftest import broker as mosquitto


def test_a_write_is_told_to_whoever_subscribed_to_its_type(tmp_path: Path) -> None:
    async def scene() -> None:
        async with hearing() as hearer, running(tmp_path) as broker:
            id_ = await broker.subscriptions.create(subscription(hearer), CORE_TERMS)
            await broker.write("urn:lamp:1", 3)
            (heard,) = await hearer.until(1)
            assert heard["subscriptionId"] == id_
            assert heard["data"] == [
                {"id": "urn:lamp:1", "type": "Lamp", "level": {"type": "Property", "value": 3}}
            ]

    drive(scene())


def test_the_killed_notifier_leaves_nothing_untold(tmp_path: Path) -> None:
    async def scene() -> None:
        async with hearing() as hearer, running(tmp_path) as broker:
            await broker.subscriptions.create(subscription(hearer), CORE_TERMS)
            for level in range(200):
                await broker.write("urn:lamp:1", level)
                if level == 100:
                    assert broker.process.pid
                    os.kill(broker.process.pid, signal.SIGKILL)
            levels = set()
            while levels != set(range(200)):
                await hearer.until(len(hearer.heard) + 1)
                levels |= {e["level"]["value"] for told in hearer.heard for e in told["data"]}

    drive(scene())


async def never_answer(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


def test_who_never_answers_delays_nobody_else(tmp_path: Path) -> None:
    async def scene() -> None:
        async with (
            answering(never_answer) as port,
            hearing() as hearer,
            running(tmp_path) as broker,
        ):
            endpoint = {"uri": f"http://127.0.0.1:{port}/", "timeout": 200}
            body = subscription("", notification={"endpoint": endpoint})
            id_ = await broker.subscriptions.create(body, CORE_TERMS)
            await broker.subscriptions.create(subscription(hearer), CORE_TERMS)
            await broker.write("urn:lamp:1", 1)
            await hearer.until(1)
            assert await broker.until_told(id_, "lastError") == "no answer within 0.2 s"
            assert await broker.until_told(id_, "pending") == 1

    drive(scene())


def test_a_connection_that_ended_meanwhile_is_replaced_and_counts_as_no_failure(
    tmp_path: Path,
) -> None:
    async def scene() -> None:
        heard: asyncio.Queue[int] = asyncio.Queue()

        async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # Keep-alive is promised and not kept: the end comes with the next request.
            await reader.readuntil(b'"data":')
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            heard.put_nowait(1)
            await reader.readuntil(b"POST")
            writer.transport.abort()

        async with answering(answer_once) as port, running(tmp_path) as broker:
            body = subscription(f"http://127.0.0.1:{port}/")
            id_ = await broker.subscriptions.create(body, CORE_TERMS)
            for level in range(3):
                await broker.write("urn:lamp:1", level)
                await heard.get()
            told = broker.subscriptions.retrieve(id_, CORE_TERMS)["notification"]
            assert "timesFailed" not in told

    drive(scene())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount a small disk")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_full_disk_loses_no_notification(small_disk: Path) -> None:
    async def scene() -> None:
        acknowledged = set()
        async with hearing() as hearer, running(small_disk) as broker:
            await broker.subscriptions.create(subscription(hearer), CORE_TERMS)
            for level in range(10):
                await broker.write("urn:lamp:1", level)
                acknowledged.add(level)
            ballast = small_disk / "ballast"
            with suppress(OSError), ballast.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
            for level in range(100, 120):
                with suppress(OSError, BusyError):
                    await broker.write("urn:lamp:1", level)
                    acknowledged.add(level)
            ballast.unlink()
            for level in range(200, 210):
                with suppress(OSError, BusyError):
                    await broker.write("urn:lamp:1", level)
                    acknowledged.add(level)
            levels: set[int] = set()
            while not levels >= acknowledged:
                await hearer.until(len(hearer.heard) + 1)
                levels = {e["level"]["value"] for told in hearer.heard for e in told["data"]}
            assert len(acknowledged) < 40
            assert 209 in acknowledged

    drive(scene())


def test_what_a_subscriber_did_not_take_is_told_when_it_is_back(tmp_path: Path) -> None:
    async def scene() -> None:
        async with hearing() as hearer, running(tmp_path) as broker:
            id_ = await broker.subscriptions.create(subscription(hearer), CORE_TERMS)
            hearer.answers = [503]
            await broker.write("urn:lamp:1", 1)
            await broker.write("urn:lamp:1", 2)
            levels = []
            while levels != [1, 2]:
                await hearer.until(len(hearer.heard) + 1)
                levels = [e["level"]["value"] for told in hearer.heard for e in told["data"]]
            told = broker.subscriptions.retrieve(id_, CORE_TERMS)["notification"]
            assert told["timesFailed"] == 1

    drive(scene())


def test_a_broker_that_died_tells_afterwards_what_it_had_not_told(tmp_path: Path) -> None:
    async def scene() -> None:
        async with hearing() as hearer:
            first = Broker(tmp_path)
            first.store.recover()
            await first.subscriptions.create(subscription(hearer), CORE_TERMS)
            await first.write("urn:lamp:1", 1)  # its notifier never ran: nothing was told
            await first.subscriptions.close()
            await first.store.close()
            async with running(tmp_path):
                (heard,) = await hearer.until(1)
                assert heard["data"][0]["level"]["value"] == 1

    drive(scene())


def test_writes_from_before_a_subscription_are_not_told(tmp_path: Path) -> None:
    async def scene() -> None:
        async with hearing() as hearer, running(tmp_path) as broker:
            await broker.write("urn:lamp:1", 1)
            await broker.subscriptions.create(subscription(hearer), CORE_TERMS)
            broker.subscriptions.following.follow([put_again(broker)], Position(1))
            await broker.write("urn:lamp:1", 2)
            await hearer.until(1)
            assert [e["level"]["value"] for told in hearer.heard for e in told["data"]] == [2]

    drive(scene())


def put_again(broker: Broker) -> Written:
    """The write of the lamp, as a replay of the log brings it."""
    held = broker.store.held("urn:lamp:1")
    assert held
    return written(None, held, Put(held.kept))


def test_who_accepts_geojson_hears_of_features(tmp_path: Path) -> None:
    async def scene() -> None:
        async with hearing() as hearer, running(tmp_path) as broker:
            endpoint = {"uri": hearer.url, "accept": "application/geo+json"}
            body = subscription(hearer, notification={"endpoint": endpoint, "format": "keyValues"})
            await broker.subscriptions.create(body, CORE_TERMS)
            await broker.write("urn:lamp:1", 1)
            (heard,) = await hearer.until(1)
            assert hearer.headers[0]["Content-Type"] == "application/geo+json"
            (feature,) = heard["data"]["features"]
            assert feature["properties"] == {"type": "Lamp", "level": 1}

    drive(scene())


def test_what_comes_too_soon_is_not_told_but_counted(tmp_path: Path) -> None:
    async def scene() -> None:
        async with hearing() as hearer, running(tmp_path) as broker:
            body = subscription(hearer, throttling=3600)
            id_ = await broker.subscriptions.create(body, CORE_TERMS)
            for level in range(3):
                await broker.write("urn:lamp:1", level)
            await hearer.until(1)
            told = broker.subscriptions.retrieve(id_, CORE_TERMS)["notification"]
            assert (len(hearer.heard), told["throttled"]) == (1, 2)

    drive(scene())


def test_a_refusal_for_good_is_dropped_and_says_so(tmp_path: Path) -> None:
    async def scene() -> None:
        async with hearing() as hearer, running(tmp_path) as broker:
            id_ = await broker.subscriptions.create(subscription(hearer), CORE_TERMS)
            hearer.answers = [410]
            await broker.write("urn:lamp:1", 1)
            await asyncio.wait_for(hearer.refused.wait(), 20)
            await broker.write("urn:lamp:1", 2)
            await hearer.until(1)
            told = broker.subscriptions.retrieve(id_, CORE_TERMS)["notification"]
            assert (hearer.heard[0]["data"][0]["level"]["value"], told["dropped"]) == (2, 1)

    drive(scene())


def test_a_deletion_is_told_to_whoever_asked_for_deletions(tmp_path: Path) -> None:
    async def scene() -> None:
        async with hearing() as hearer, running(tmp_path) as broker:
            body = subscription(
                hearer,
                notificationTrigger=["attributeDeleted"],
                notification={"showChanges": True, "endpoint": {"uri": hearer.url}},
            )
            await broker.subscriptions.create(body, CORE_TERMS)
            await broker.write("urn:lamp:1", 1)
            await broker.delete("urn:lamp:1")
            (heard,) = await hearer.until(1)
            (entity,) = heard["data"]
            assert entity.pop("deletedAt")
            assert entity["level"] == {
                "type": "Property",
                "value": "urn:ngsi-ld:null",
                "previousValue": 1,
            }

    drive(scene())


@pytest.mark.parametrize("version", ["mqtt3.1.1", "mqtt5.0"])
@pytest.mark.parametrize("qos", ["0", "1", "2"])
def test_notifications_go_to_mqtt(tmp_path: Path, free_port: int, version: str, qos: str) -> None:
    port = free_port

    async def scene() -> None:
        heard: asyncio.Queue[bytes] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        client.on_message = lambda *given: loop.call_soon_threadsafe(
            heard.put_nowait, given[2].payload
        )
        subscribed = asyncio.Event()
        client.on_subscribe = lambda *_: loop.call_soon_threadsafe(subscribed.set)
        client.connect("127.0.0.1", port)
        client.subscribe("city/lamps", 2)
        client.loop_start()
        await subscribed.wait()
        info = [{"key": "MQTT-Version", "value": version}, {"key": "MQTT-QoS", "value": qos}]
        endpoint = {"uri": f"mqtt://127.0.0.1:{port}/city/lamps", "notifierInfo": info}
        async with running(tmp_path / "broker") as broker:
            body = subscription("", notification={"endpoint": endpoint})
            await broker.subscriptions.create(body, CORE_TERMS)
            await broker.write("urn:lamp:1", 1)
            message = json.loads(await heard.get())
        client.disconnect()
        client.loop_stop()
        assert message["metadata"]["Content-Type"] == "application/json"
        assert message["body"]["data"][0]["id"] == "urn:lamp:1"

    with mosquitto(tmp_path, port):
        drive(scene())
