"""kill -9 at any moment: every acknowledged write is there after the restart, no other half."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psutil

from tests.broker.hearer import hearing
from tests.broker.places import Place
from tests.broker.running import Running, running


def batch(number: int) -> list[dict[str, object]]:
    """Twenty entities that all tell the number of their batch."""
    return [
        {"id": f"urn:ngsi-ld:Lamp:{i}", "type": "Lamp", "number": number, f"only{number}": i}
        for i in range(20)
    ]


def test_every_acknowledged_batch_survives_a_kill_and_no_batch_is_half_there(
    killed_place: Place, free_port: int
) -> None:
    with running(killed_place, free_port) as broker:
        acknowledged = 0
        for _ in range(3):
            killer = threading.Timer(0.7, broker.process.kill)
            killer.start()
            number = acknowledged
            try:
                while True:
                    number += 1
                    broker.post("/entityOperations/upsert", batch(number)).raise_for_status()
                    acknowledged = number
            except httpx.HTTPError:
                killer.join()
                broker.kill()
            broker.start()
            seen = {
                broker.get(f"/entities/urn:ngsi-ld:Lamp:{i}?options=keyValues")["number"]
                for i in range(20)
            }
            assert len(seen) == 1
            assert acknowledged <= min(seen) <= number
        assert acknowledged > 3
        assert broker.stop() == 0


def kill_notifier(broker: Running) -> None:
    children = psutil.Process(broker.process.pid).children()
    command = "notifier_process"
    (notifier,) = (child for child in children if command in " ".join(child.cmdline()))
    os.kill(notifier.pid, signal.SIGKILL)


def test_every_acknowledged_write_is_told_and_nothing_else_whoever_is_killed(
    killed_place: Place, free_port: int
) -> None:
    acknowledged: set[int] = set()

    def write(broker: Running) -> None:
        for number in range(300):
            if number in (60, 180):
                kill_notifier(broker)
            if number in (120, 240):
                broker.kill()
                broker.start()
            lamp = {"id": "urn:ngsi-ld:Lamp:1", "type": "Lamp", "level": number}
            broker.post("/entityOperations/upsert", [lamp]).raise_for_status()
            acknowledged.add(number)

    async def scene(broker: Running) -> None:
        async with hearing() as hearer:
            hearer.answers = [503]
            subscription = {
                "type": "Subscription",
                "entities": [{"type": "Lamp"}],
                "notification": {"endpoint": {"uri": hearer.url}},
            }
            broker.post("/subscriptions", subscription).raise_for_status()
            await asyncio.to_thread(write, broker)
            while True:
                entities = [entity for told in hearer.heard for entity in told["data"]]
                if {entity["level"]["value"] for entity in entities} >= acknowledged:
                    break
                await hearer.until(len(hearer.heard) + 1)
            assert {entity["level"]["value"] for entity in entities} == acknowledged
            bodies = {told["id"]: told for told in hearer.heard}
            assert all(bodies[told["id"]] == told for told in hearer.heard)

    with running(killed_place, free_port) as broker:
        asyncio.run(asyncio.wait_for(scene(broker), 60))


def test_contexts_are_whole_after_a_kill_while_they_are_added(
    tmp_path: Path, free_port: int
) -> None:
    kept: dict[str, object] = {}

    def add(broker: Running, number: int) -> None:
        body = {"@context": {f"name{n}": f"https://x.org/{number}/{n}" for n in range(50)}}
        place = broker.post("/jsonldContexts", body).headers["location"]
        kept[place.rsplit("/", 1)[1]] = body

    with running(tmp_path, free_port) as broker:
        for _ in range(2):
            killed_while(broker, lambda: add(broker, len(kept)))
            assert {id_: broker.get(f"/jsonldContexts/{id_}") for id_ in kept} == kept
        assert kept


def killed_while(broker: Running, work: Callable[[], None]) -> None:
    """Kill the broker while something is done over and over, and start it again."""
    killer = threading.Timer(0.5, broker.process.kill)
    killer.start()
    try:
        while True:
            work()
    except httpx.HTTPError:
        killer.join()
    broker.kill()
    broker.start()


class Document(BaseHTTPRequestHandler):
    """A server of one @context."""

    def do_GET(self) -> None:
        body = b'{"@context": {"speed": "https://x.org/speed"}}'
        self.send_response(200)
        self.send_header("Content-Type", "application/ld+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def test_a_kill_while_a_context_is_reloaded_leaves_it_in_force(
    tmp_path: Path, free_port: int
) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Document) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        site = f"127.0.0.1:{server.server_port}"
        link = f'<http://{site}/c>; rel="http://www.w3.org/ns/json-ld#context"'
        with running(tmp_path, free_port, "--fetch", "--trust", site) as broker:
            lamp = {"id": "urn:ngsi-ld:Lamp:1", "type": "Lamp", "speed": 3}
            broker.post("/entities", lamp, Link=link).raise_for_status()
            (cached,) = broker.get("/jsonldContexts?kind=Cached")

            def reload() -> None:
                place = f"/jsonldContexts/{quote(cached, safe='')}"
                told = broker.client.delete(place, params={"reload": "true"})
                told.raise_for_status()

            killed_while(broker, reload)
            server.shutdown()
            assert broker.get("/jsonldContexts?kind=Cached") == [cached]
            assert broker.get("/entities/urn:ngsi-ld:Lamp:1", Link=link)["speed"]["value"] == 3
