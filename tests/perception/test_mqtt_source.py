"""MQTT from a real broker: acknowledged after the commit, and nothing is lost on the way."""

import asyncio
import gc
import json
import subprocess
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from tests.perception.conftest import HeldIntake, broker, certify, setup_of

from cityloop.perception.source import Secret
from cityloop.perception.sources.mqtt import MqttSettings
from cityloop.standards import mqtt

WIDE = ("max_inflight_messages 20000", "max_queued_messages 0")


def street(port: int, **settings: Any) -> MqttSettings:
    given = {"probe": "", "topics": ["city/+/flow"], **settings}
    return MqttSettings(url=f"mqtt://127.0.0.1:{port}", **given)


@asynccontextmanager
async def reading(settings: MqttSettings, folder: Path) -> AsyncIterator[HeldIntake]:
    """The source at work; cancelled in the end."""
    intake = HeldIntake()
    task = asyncio.create_task(settings.source(setup_of(folder)).run(intake))
    try:
        yield intake
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def publish(port: int, *payloads: bytes, topic: str = "city/main/flow") -> None:
    """Publish with QoS 1 and wait until the broker has it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sizes = {"receive_maximum": 1, "maximum_packet": 1, "keep_alive_s": 0, "session_s": 0}
    writer.write(mqtt.write_connect("3.1.1", "test", credentials=None, **sizes))
    await reader.readexactly(4)
    for number, body in enumerate(payloads, 1):
        writer.write(mqtt.write_publish("3.1.1", topic, body, number))
    await reader.readexactly(4 * len(payloads))
    writer.close()
    await writer.wait_closed()


def flow(name: str) -> bytes:
    return json.dumps({"id": name, "type": "TrafficFlowObserved", "intensity": 3}).encode()


def is_up(intake: HeldIntake) -> bool:
    return ("ok", "connected") in intake.states


async def acknowledged_after_the_commit(version: Any, port: int, folder: Path) -> None:
    settings = street(port, version=version)
    async with reading(settings, folder) as first:
        await first.wait(is_up)
        await publish(port, flow("a"), flow("b"))
        await first.wait(lambda i: i.entities == ["a", "b"])
    # It went before the log had them, so the broker gives them again.
    async with reading(settings, folder) as second:
        await second.wait(lambda i: sorted(i.entities) == ["a", "b"])
        second.commits.set()
        await publish(port, flow("c"))
        await second.wait(lambda i: "c" in i.entities)
        await asyncio.sleep(0.2)
    async with reading(settings, folder) as third:
        await third.wait(is_up)
        await publish(port, flow("d"))
        await third.wait(lambda i: i.entities == ["d"])


@pytest.mark.parametrize("version", ["3.1.1", "5"])
def test_a_message_is_acknowledged_after_its_commit_and_not_before(
    version: str, free_port: int, tmp_path: Path
) -> None:
    with broker(tmp_path, free_port, *WIDE):
        asyncio.run(acknowledged_after_the_commit(version, free_port, tmp_path))


def test_what_cannot_be_read_is_told_and_holds_nobody_up(free_port: int, tmp_path: Path) -> None:
    async def go() -> None:
        async with reading(street(free_port, max_bytes=1000), tmp_path) as intake:
            await intake.wait(is_up)
            intake.commits.set()
            await publish(free_port, b"", b"\xff", b"{" * 500, b"x" * 5000, flow("a"))
            await intake.wait(lambda i: i.entities == ["a"])
            assert sorted(intake.reasons) == ["malformed"] * 3 + ["too large"]

    with broker(tmp_path, free_port, *WIDE):
        asyncio.run(go())


def test_a_narrow_window_of_the_broker_is_told_with_what_to_do(
    free_port: int, tmp_path: Path
) -> None:
    async def go() -> str:
        settings = street(free_port, version="3.1.1", probe="probe")
        async with reading(settings, tmp_path) as intake:
            await intake.wait(lambda i: len(i.states) > 1)
            return intake.states[1][1]

    with broker(tmp_path, free_port, "max_inflight_messages 20"):
        told = asyncio.run(go())
        assert "only 20 messages in flight" in told
        assert "max_inflight_messages 5000" in told


def test_a_wide_window_is_found_wide(free_port: int, tmp_path: Path) -> None:
    async def go() -> None:
        async with reading(street(free_port, probe="probe"), tmp_path) as intake:
            await intake.wait(is_up)
            intake.commits.set()
            await asyncio.sleep(1.5)
            await publish(free_port, flow("a"))
            await intake.wait(lambda i: i.entities == ["a"])
            assert intake.states == [("ok", "connected")]

    with broker(tmp_path, free_port, *WIDE):
        asyncio.run(go())


def test_it_comes_back_after_the_broker_does(free_port: int, tmp_path: Path) -> None:
    async def go() -> None:
        async with reading(street(free_port), tmp_path) as intake:
            with broker(tmp_path, free_port, *WIDE):
                await intake.wait(is_up)
            await intake.wait(lambda i: i.states[-1][0] == "failing")
            intake.states.clear()
            intake.commits.set()
            with broker(tmp_path, free_port, *WIDE):
                await intake.wait(is_up)
                await publish(free_port, flow("a"))
                await intake.wait(lambda i: i.entities == ["a"])

    asyncio.run(go())


def test_messages_that_the_broker_dropped_are_counted(free_port: int, tmp_path: Path) -> None:
    async def go() -> None:
        async with reading(street(free_port, version="3.1.1"), tmp_path) as intake:
            await intake.wait(is_up)
            await asyncio.sleep(1.5)
            await publish(free_port, *(flow(f"d{number}") for number in range(40)))
            await intake.wait(lambda i: i.lost > 0)

    with broker(tmp_path, free_port, "max_inflight_messages 2", "max_queued_messages 3"):
        asyncio.run(go())


def test_a_wrong_password_is_told_and_the_right_one_lets_in(free_port: int, tmp_path: Path) -> None:
    (tmp_path / "users").write_text("cityloop:secret\n")
    (tmp_path / "secret").write_text("secret\n")
    (tmp_path / "wrong").write_text("guess\n")

    async def go(file: str) -> tuple[str, str]:
        given = {"user": "cityloop", "password": Secret(file=file)}
        async with reading(street(free_port, **given), tmp_path) as intake:
            await intake.wait(lambda i: bool(i.states))
            return intake.states[0]

    hash_users(tmp_path / "users")
    lines = ("allow_anonymous false", f"password_file {tmp_path / 'users'}")
    with broker(tmp_path, free_port, *lines):
        state, why = asyncio.run(go("wrong"))
        assert state == "failing"
        assert "not authorised" in why
        assert "guess" not in why
        assert asyncio.run(go("secret")) == ("ok", "connected")


def hash_users(path: Path) -> None:
    subprocess.run(["mosquitto_passwd", "-U", str(path)], check=True)


def secured(folder: Path, port: int) -> tuple[str, ...]:
    """A second listener of the broker, with TLS, for those who show the certificate ``device``."""
    pem = folder / "pem"
    certify(pem, "authority")
    certify(pem, "broker", "-CA", "authority.pem", "-CAkey", "authority.key")
    certify(pem, "device", "-CA", "authority.pem", "-CAkey", "authority.key")
    return (
        f"listener {port} 127.0.0.1",
        "require_certificate true",
        f"cafile {pem}/authority.pem",
        f"certfile {pem}/broker.pem",
        f"keyfile {pem}/broker.key",
    )


def device(port: int, **settings: Any) -> MqttSettings:
    """Who shows that certificate."""
    ours = {"certificate": "pem/device.pem", "key": "pem/device.key", **settings}
    return MqttSettings(url=f"mqtts://127.0.0.1:{port}", topics=["city/#"], probe="", **ours)


def test_tls_is_spoken_to_brokers_whose_signer_is_known_and_to_no_others(
    free_port: int, unused_port: int, tmp_path: Path
) -> None:
    async def go() -> None:
        async with reading(device(unused_port), tmp_path) as intake:
            await intake.wait(lambda i: any("certificate" in why for _, why in i.states))
            assert not is_up(intake)
        known = device(unused_port, authority="pem/authority.pem")
        async with reading(known, tmp_path) as intake:
            await intake.wait(is_up)
            await publish(free_port, flow("a"))
            await intake.wait(lambda i: i.entities == ["a"])

    with broker(tmp_path, free_port, *WIDE, *secured(tmp_path, unused_port)):
        asyncio.run(go())


def test_a_broker_that_has_stopped_is_left_with_nothing_open(
    free_port: int, unused_port: int, tmp_path: Path
) -> None:
    async def go(stop: Callable[[], None]) -> None:
        async with reading(device(unused_port, authority="pem/authority.pem"), tmp_path) as intake:
            await intake.wait(is_up)
            stop()

    with broker(tmp_path, free_port, *WIDE, *secured(tmp_path, unused_port)) as process:
        with warnings.catch_warnings(record=True) as warned:
            asyncio.run(go(process.suspend))
            gc.collect()
        assert not warned


def test_those_who_share_a_subscription_take_turns(free_port: int, tmp_path: Path) -> None:
    async def go() -> None:
        one = street(free_port, share="intakes", client="one")
        two = street(free_port, share="intakes", client="two")
        async with reading(one, tmp_path) as first, reading(two, tmp_path) as second:

            def heard() -> list[str]:
                return first.entities + second.entities

            await first.wait(is_up)
            await second.wait(is_up)
            for intake in (first, second):
                intake.commits.set()
            names = [f"d{number}" for number in range(20)]
            await publish(free_port, *map(flow, names))
            waits = [
                asyncio.ensure_future(one.wait(lambda _: len(heard()) == len(names)))
                for one in (first, second)
            ]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
            assert sorted(heard()) == sorted(names)
            assert first.entities
            assert second.entities

    with broker(tmp_path, free_port, *WIDE):
        asyncio.run(go())
