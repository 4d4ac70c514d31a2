"""The event stream: the newest state, every decision or word of a gap, no client in the way."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec
import pytest
from starlette.types import Message
from tests.web.conftest import Served
from tests.web.replay import ReplayCity

from cityloop.web.api_stream import EVENTS, decision_feed
from cityloop.web.feed import Places
from cityloop.web.stream import EventStream, SharedEvents

Event = tuple[str, Any]


def read_events(lines: Iterator[str]) -> Iterator[Event]:
    """(name, data) of each event of a stream."""
    name = ""
    for line in lines:
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)


class Client:
    """The far end of a stream: takes bytes only while ``reading`` is set."""

    def __init__(self) -> None:
        self.reading = asyncio.Event()
        self.reading.set()
        self.asked = asyncio.Event()
        self._parts: asyncio.Queue[bytes] = asyncio.Queue()

    async def send(self, message: Message) -> None:
        self.asked.set()
        await self.reading.wait()
        await self._parts.put(message.get("body", b""))

    async def receive(self) -> Message:
        return await asyncio.Future()

    async def events(self) -> AsyncIterator[Event]:
        while True:
            part = await self._parts.get()
            for event in read_events(iter(part.decode().splitlines())):
                yield event


@asynccontextmanager
async def streaming(city: ReplayCity, client: Client, last: str = "0") -> AsyncIterator[None]:
    closing = asyncio.Event()
    stream = EventStream(city, SharedEvents(city), closing, Places([decision_feed(city)], last))
    task = asyncio.create_task(stream({"type": "http"}, client.receive, client.send))
    yield
    client.reading.set()
    closing.set()
    await task


async def until_state(events: AsyncIterator[Event], seq: int) -> list[Event]:
    """Events up to the state of ``seq``, and what came with it."""
    seen = []
    async for event in events:
        seen.append(event)
        if event[0] == "state" and event[1]["seq"] >= seq:
            return seen
    return seen


def test_a_new_client_gets_the_present_state_first(served: Served, client: httpx.Client) -> None:
    served.advance(10)
    with client.stream("GET", "/api/stream") as answer:
        name, state = next(read_events(answer.iter_lines()))
    assert answer.headers["content-type"] == "text/event-stream"
    assert (name, state["seq"]) == ("state", 1)


def test_decisions_follow_as_they_are_made(served: Served, client: httpx.Client) -> None:
    with client.stream("GET", "/api/stream") as answer:
        events = read_events(answer.iter_lines())
        next(events)
        served.advance(60)
        rows = next(data for name, data in events if name == "decisions")
    assert rows == client.get("/api/decisions", params={"limit": len(rows)}).json()


def test_every_event_carries_what_the_description_of_the_api_says(
    served: Served, client: httpx.Client
) -> None:
    served.advance(60)
    wanted, heard = {"state", "vehicles", "decisions", "alarms"}, set()
    with client.stream("GET", "/api/stream?vehicles=1&after=1,1") as answer:
        for name, data in read_events(answer.iter_lines()):
            msgspec.convert(data, EVENTS[name])
            heard.add(name)
            if heard == wanted:
                break


def test_a_client_that_comes_back_goes_on_where_it_was(
    served: Served, client: httpx.Client
) -> None:
    served.advance(120)
    newest = client.get("/api/decisions?limit=1").json()[0]["number"]
    with client.stream("GET", "/api/stream", headers={"Last-Event-ID": str(newest - 5)}) as answer:
        rows = next(data for name, data in read_events(answer.iter_lines()) if name == "decisions")
    assert [row["number"] for row in rows] == list(range(newest, newest - 5, -1))


def told_decisions(answer: httpx.Response, newest: int) -> tuple[list[int], list[Any]]:
    """The numbers that a stream tells up to ``newest``, in the order told; and its gaps."""
    numbers: list[int] = []
    gaps = []
    for name, data in read_events(answer.iter_lines()):
        if name == "gap":
            gaps.append(data)
        if name == "decisions":
            numbers += [row["number"] for row in reversed(data)]
            if newest in numbers:
                break
    return numbers, gaps


def test_a_client_that_was_away_for_long_gets_every_decision_in_order(
    served: Served, client: httpx.Client
) -> None:
    served.advance(2400)
    newest = client.get("/api/decisions?limit=1").json()[0]["number"]
    assert newest > 2 * 1000  # far more than the city holds in memory
    with client.stream("GET", "/api/stream", headers={"Last-Event-ID": "1"}) as answer:
        numbers, gaps = told_decisions(answer, newest)
    assert numbers == list(range(2, newest + 1))
    assert gaps == []


def test_a_client_that_left_before_anything_happened_misses_nothing(
    served: Served, client: httpx.Client
) -> None:
    served.advance(60)
    with client.stream("GET", "/api/stream") as answer:
        told = next(line for line in answer.iter_lines() if line.startswith("id: "))
    known = client.get("/api/decisions?limit=1").json()[0]["number"]
    served.advance(60)
    newest = client.get("/api/decisions?limit=1").json()[0]["number"]
    header = {"Last-Event-ID": told.removeprefix("id: ")}
    with client.stream("GET", "/api/stream", headers=header) as answer:
        numbers, _ = told_decisions(answer, newest)
    assert numbers == list(range(known + 1, newest + 1))


def test_a_page_resumes_by_its_address_where_it_cannot_set_a_header(
    served: Served, client: httpx.Client
) -> None:
    served.advance(120)
    newest = client.get("/api/decisions?limit=1").json()[0]["number"]
    with client.stream("GET", f"/api/stream?after={newest - 3}") as answer:
        numbers, _ = told_decisions(answer, newest)
    assert numbers == [newest - 2, newest - 1, newest]


def test_only_what_was_erased_from_the_record_is_told_as_a_gap(
    served: Served, client: httpx.Client
) -> None:
    served.advance(2400)
    served.city.past.erased = 400
    newest = client.get("/api/decisions?limit=1").json()[0]["number"]
    with client.stream("GET", "/api/stream", headers={"Last-Event-ID": "1"}) as answer:
        numbers, gaps = told_decisions(answer, newest)
    assert gaps == [{"feed": "decisions", "first": 2, "last": 400}]
    assert numbers == list(range(401, newest + 1))


def test_a_client_of_a_restarted_web_goes_on_where_it_was() -> None:
    async def story() -> None:
        city, client = ReplayCity(hold_rows=0), Client()
        async with streaming(city, client, last="5"):
            await client.asked.wait()
            city._hold_rows = 1000  # the hub tells the newest rows only now
            await city.advance(200)
            newest = city.decisions(1)[0].number
            numbers: list[int] = []
            async for name, data in client.events():
                numbers += [row["number"] for row in reversed(data)] if name == "decisions" else []
                if newest in numbers:
                    break
        assert numbers == list(range(6, newest + 1))

    asyncio.run(story())


def test_a_number_from_another_city_begins_at_now(served: Served, client: httpx.Client) -> None:
    served.advance(60)
    with client.stream("GET", "/api/stream", headers={"Last-Event-ID": "999999"}) as answer:
        events = read_events(answer.iter_lines())
        next(events)
        served.advance(60)
        first = next(name for name, _ in events if name != "state")
    assert first == "decisions"


def test_stopping_the_server_ends_its_streams(served: Served, client: httpx.Client) -> None:
    with client.stream("GET", "/api/stream") as answer:
        events = read_events(answer.iter_lines())
        next(events)
        served.close()
        assert list(events) == []
    assert not served.thread.is_alive()


def test_a_client_that_does_not_read_holds_up_nobody_and_then_gets_the_newest() -> None:
    async def story() -> None:
        city, slow, quick = ReplayCity(), Client(), Client()
        slow.reading.clear()
        async with streaming(city, slow), streaming(city, quick):
            await slow.asked.wait()
            events = quick.events()
            for second in range(1, 4):
                await city.advance()
                await until_state(events, second)
            slow.reading.set()
            first = await anext(slow.events())
        assert (first[0], first[1]["seq"]) == ("state", 3)

    asyncio.run(story())


def test_states_in_quick_succession_come_as_the_newest_alone() -> None:
    async def story() -> None:
        city, client = ReplayCity(), Client()
        async with streaming(city, client):
            events = client.events()
            await until_state(events, 0)
            for _ in range(20):
                await city.advance()
            states = [data for name, data in await until_state(events, 20) if name == "state"]
        assert [state["seq"] for state in states] == [20]

    asyncio.run(story())


@pytest.mark.parametrize("away", [20, 60])
def test_no_decision_is_lost_on_a_client_that_was_away(away: int) -> None:
    async def story() -> None:
        city, client = ReplayCity(), Client()
        client.reading.clear()
        async with streaming(city, client):
            await client.asked.wait()
            await city.advance(away)
            client.reading.set()
            newest = city.decisions(1)[0].number
            numbers: list[int] = []
            async for name, data in client.events():
                numbers += [row["number"] for row in data] if name == "decisions" else []
                if newest in numbers:
                    break
        assert sorted(numbers) == list(range(1, newest + 1))

    asyncio.run(story())


def test_alarms_follow_as_they_happen_and_are_resumed(served: Served, client: httpx.Client) -> None:
    known = client.get("/api/alarms").json()
    path = f"/api/alarms/{known[-1]['id']}/acknowledge"
    with client.stream("GET", "/api/stream") as answer:
        events = read_events(answer.iter_lines())
        next(events)
        client.post(path, json={"by": "Wu"})
        served.advance(1)
        rows = next(data for name, data in events if name == "alarms")
    assert rows[0]["acknowledged_by"] == "Wu"
    with client.stream("GET", "/api/stream?after=,1") as answer:
        rows = next(data for name, data in read_events(answer.iter_lines()) if name == "alarms")
    assert [row["number"] for row in reversed(rows)] == list(range(2, rows[0]["number"] + 1))


def test_vehicles_come_to_those_who_ask_and_are_measured_for_nobody_else(
    served: Served, client: httpx.Client
) -> None:
    served.advance(60)
    with client.stream("GET", "/api/stream?vehicles=1") as answer:
        events = read_events(answer.iter_lines())
        vehicles = next(data for name, data in events if name == "vehicles")
        assert served.city.vehicles.watchers == 1
    assert len(vehicles["ids"]) == len(vehicles["x"]) == sum(served.city.state().vehicles_on)
    with client.stream("GET", "/api/stream") as answer:
        events = read_events(answer.iter_lines())
        assert next(events)[0] == "state"
        served.advance(1)
        assert next(name for name, _ in events if name != "decisions") == "state"
        assert served.city.vehicles.watchers == 0
