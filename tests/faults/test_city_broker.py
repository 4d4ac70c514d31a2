"""The context broker of a running city: what sources say and what clients write is one picture."""

import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from threading import Thread
from typing import Any

import httpx
import pytest
from tests.faults.running import RunningCity, running, until
from tests.faults.town import LAMP, OTHER_LAMP, build_real_town, open_door, push

from cityloop.city.clock import wall_time
from cityloop.interconnection.tenant import open_tenant

API = "/ngsi-ld/v1"


@pytest.fixture(scope="module")
def door() -> int:
    """The port at which the lamps of the town report."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@pytest.fixture(scope="module")
def city(
    tmp_path_factory: pytest.TempPathFactory, unused_port: int, door: int
) -> Iterator[RunningCity]:
    """A town without a twin."""
    home = build_real_town(tmp_path_factory.mktemp("shared") / "town", LAMP)
    open_door(home, door)
    with running(tmp_path_factory.mktemp("data"), unused_port, city=home) as city:
        until("the API", lambda: city.get(f"{API}/types"))
        yield city


@pytest.fixture
def told() -> Iterator[tuple[str, "Queue[Any]"]]:
    """A subscriber: its address and what it hears."""
    heard: Queue[Any] = Queue()

    class Subscriber(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Subscriber) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", heard
        server.shutdown()


def say(city: RunningCity, port: int, level: float) -> str:
    """Have the lamp report; when it did."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    answer = push(city, port, {"lamp": "1", "at": at, "level": level}, timeout_s=60)
    assert answer.json()["accepted"] == 1
    return at


def lamp(city: RunningCity) -> dict[str, Any]:
    found: dict[str, Any] = until("the lamp", lambda: city.get(f"{API}/entities/{LAMP}"))
    return found


def test_an_acknowledged_observation_is_an_entity_for_the_next_query(
    city: RunningCity, door: int
) -> None:
    for level in (0.25, 0.75):
        at = say(city, door, level)
        assert lamp(city)["illuminanceLevel"] == {
            "type": "Property",
            "value": level,
            "observedAt": at,
            "unitCode": "C62",
        }
    found = city.get(f"{API}/entities?type=Streetlight&q=illuminanceLevel>0.5")
    assert [entity["id"] for entity in found] == [LAMP]
    assert "Streetlight" in city.get(f"{API}/types")["typeList"]


def test_what_sources_said_over_time_is_told_with_what_clients_wrote(
    city: RunningCity, door: int
) -> None:
    since = say(city, door, 0.11)
    write(city, f"/entities/{LAMP}/attrs", {"illuminanceLevel": 0.12})
    say(city, door, 0.13)
    asked = f"{API}/temporal/entities/{LAMP}?attrs=illuminanceLevel&options=temporalValues"
    for window in (f"&timerel=after&timeAt={since}", "&lastN=3"):
        told = city.get(asked + window)["illuminanceLevel"]["values"]
        assert [value for value, _ in told] == [0.11, 0.12, 0.13]


def test_what_sources_said_is_not_said_to_be_deleted(city: RunningCity, door: int) -> None:
    say(city, door, 0.2)
    past = f"http://127.0.0.1:{city.port}{API}/temporal/entities/{LAMP}"
    for what in (past, f"{past}/attrs/illuminanceLevel"):
        answer = httpx.delete(what)
        assert answer.status_code == 422
        assert "retention" in answer.json()["detail"]


def test_of_source_and_client_the_one_that_spoke_last_is_believed(
    city: RunningCity, door: int
) -> None:
    say(city, door, 0.3)
    write(city, f"/entities/{LAMP}/attrs", {"illuminanceLevel": 0.5, "note": "dimmed"})
    assert lamp(city)["illuminanceLevel"]["value"] == 0.5
    say(city, door, 0.6)
    assert lamp(city)["illuminanceLevel"]["value"] == 0.6
    assert lamp(city)["note"]["value"] == "dimmed"


def test_what_loops_may_not_see_is_rejected_and_stands_for_clients(city: RunningCity) -> None:
    write(city, f"/entities/{LAMP}/attrs", {"illuminanceLevel": 7})
    assert lamp(city)["illuminanceLevel"]["value"] == 7
    (reject,) = until("the reject", lambda: city.get("/api/rejects?source=ngsi-ld"))
    assert (reject["entity"], reject["value"]) == (LAMP, "7.0")
    assert reject["reason"].startswith("out of range")


def test_what_a_client_writes_of_a_declared_type_is_in_the_citys_context(
    city: RunningCity,
) -> None:
    body = {"id": OTHER_LAMP, "type": "Streetlight", "illuminanceLevel": {"value": 0.4}}
    write(city, "/entities", body)
    tenant = open_tenant(city.data, "town", wall_time, readonly=True)
    table = tenant.context.table("Streetlight", ("illuminanceLevel",))
    tenant.close()
    assert table["illuminanceLevel"][table.ids.index[OTHER_LAMP]] == 0.4


def test_a_subscriber_hears_of_what_a_source_says(
    city: RunningCity, door: int, told: tuple[str, "Queue[Any]"]
) -> None:
    url, heard = told
    endpoint = {"uri": url}
    body = {
        "type": "Subscription",
        "entities": [{"type": "Streetlight"}],
        "watchedAttributes": ["illuminanceLevel"],
        "q": "illuminanceLevel>0.8",
        "notification": {"endpoint": endpoint, "format": "simplified"},
    }
    write(city, "/subscriptions", body)
    say(city, door, 0.7)
    say(city, door, 0.9)
    assert [entity["illuminanceLevel"] for entity in heard.get(timeout=20)["data"]] == [0.9]


def test_what_was_acknowledged_is_there_after_hub_and_web_were_killed(
    city: RunningCity, door: int
) -> None:
    for number in range(6):
        body = {"id": f"urn:ngsi-ld:Shelter:{number}", "type": "Shelter", "level": number}
        write(city, "/entities", body)
        if number in (1, 3):
            city.wait_reborn("hub", city.kill("hub"))
        if number == 4:
            say(city, door, 0.1)
            city.wait_reborn("web", city.kill("web"))
            until("the API", lambda: city.get(f"{API}/types"))
    found = city.get(f"{API}/entities?type=Shelter&options=simplified")
    assert [entity["level"] for entity in found] == list(range(6))
    assert lamp(city)["illuminanceLevel"]["value"] == 0.1


def write(city: RunningCity, path: str, body: dict[str, Any]) -> None:
    """Have the API take a POST."""
    answer = city.client.post(API + path, json=body, timeout=30)
    assert answer.is_success, answer.text
