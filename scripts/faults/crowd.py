"""Those around a city while it is killed: writers, readers, subscribers, each with its record.

They know the city by HTTP alone. What they note is what ``check`` reads.
"""

import json
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
from scripts.faults.town import ATTRIBUTE, TYPE

API = "/ngsi-ld/v1"
NOTE = "FaultNote"
_PATIENCE_S = 10.0
_PAUSE_S = 0.03


class Record:
    """Events as lines of a file, and the newest acknowledged value of each key."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._lock = threading.Lock()
        self.acked: dict[str, int] = {}

    def note(self, kind: str, values: dict[str, int], **more: object) -> None:
        """One event for each key."""
        with self._lock:
            for key, value in values.items():
                self._file.write(json.dumps({"e": kind, "k": key, "v": value, **more}) + "\n")
            if kind == "acked":
                self.acked |= values
            self._file.flush()

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._file.close()


class Member(threading.Thread, ABC):
    """Does one thing again and again until told to stop; ``done`` counts what went well."""

    def __init__(self, name: str, base: str, record: Record) -> None:
        super().__init__(name=name, daemon=True)
        self.done = 0
        self.stopping = threading.Event()
        self.record = record
        self.client = httpx.Client(base_url=base, timeout=_PATIENCE_S)

    def run(self) -> None:
        """Until stopped."""
        while not self.stopping.wait(_PAUSE_S):
            try:
                self.done += self.once()
            except (httpx.TransportError, json.JSONDecodeError):
                self.stopping.wait(_PAUSE_S)
        self.client.close()

    @abstractmethod
    def once(self) -> bool:
        """One try; whether it went well."""


class Pusher(Member):
    """Counters that post what they counted, and the same again until it is acknowledged."""

    def __init__(self, name: str, door: int, record: Record, keys: int = 10) -> None:
        super().__init__(name, f"http://127.0.0.1:{door}", record)
        self._keys = [f"urn:ngsi-ld:{TYPE}:{name}-{number}" for number in range(keys)]
        self._n = 0
        self._acked = True
        self._at = ""

    def once(self) -> bool:
        """Post once."""
        if self._acked:
            self._n += 1
            self._acked = False
            self._at = _now()
            self.record.note("sent", dict.fromkeys(self._keys, self._n))
        names = [key.rpartition(":")[2] for key in self._keys]
        body = {"rows": [{"name": name, "at": self._at, "n": self._n} for name in names]}
        key = {"Idempotency-Key": f"{self.name}-{self._n}"}
        answer = self.client.post("/", json=body, headers=key)
        self._acked = answer.is_success
        if self._acked:
            told = answer.json()
            assert told["accepted"] == len(self._keys), told
            self.record.note("acked", dict.fromkeys(self._keys, self._n))
        return self._acked


class Author(Member):
    """A client of the NGSI-LD API that writes an entity, and gives a write up that failed."""

    def __init__(self, name: str, base: str, record: Record) -> None:
        super().__init__(name, base, record)
        self._id = f"urn:ngsi-ld:{NOTE}:{name}"
        self._n = 0

    def once(self) -> bool:
        """Write the next value."""
        self._n += 1
        value = {"type": "Property", "value": self._n, "observedAt": _now()}
        self.record.note("sent", {self._id: self._n})
        answer = self.client.post(f"{API}/entities/{self._id}/attrs", json={"level": value})
        if answer.status_code == 404:
            body = {"id": self._id, "type": NOTE, "level": value}
            answer = self.client.post(f"{API}/entities", json=body)
        if answer.is_success:
            self.record.note("acked", {self._id: self._n})
        return answer.is_success


class Reader(Member):
    """Reads entities of a type and notes what it sees."""

    def __init__(self, name: str, base: str, record: Record, type_: str, attribute: str) -> None:
        super().__init__(name, base, record)
        self._query = {"type": type_, "limit": "1000", "options": "simplified"}
        self._attribute = attribute
        self._type = type_

    def once(self) -> bool:
        """Read once."""
        least = {k: v for k, v in self.record.acked.items() if f":{self._type}:" in k}
        answer = self.client.get(f"{API}/entities", params=self._query)
        if not answer.is_success:
            return False
        seen = {it["id"]: int(it.get(self._attribute, 0)) for it in answer.json()}
        for key, value in (dict.fromkeys(least, 0) | seen).items():
            self.record.note("read", {key: value}, who=self.name, least=least.get(key, 0))
        return True


@contextmanager
def subscriber(name: str, attribute: str, record: Record) -> Iterator[str]:
    """A server that notes what it is told; its address."""

    class Handler(BaseHTTPRequestHandler):
        """Notes what it is told."""

        def do_POST(self) -> None:
            """Take a notification."""
            body: Any = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            for entity in body["data"]:
                record.note("heard", {entity["id"]: int(entity[attribute])}, s=name)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def subscribe(base: str, name: str, type_: str, attribute: str, uri: str) -> None:
    """Have the city tell ``uri`` of each change; raises HTTPStatusError when it will not."""
    body = {
        "id": f"urn:ngsi-ld:Subscription:{name}",
        "type": "Subscription",
        "entities": [{"type": type_}],
        "watchedAttributes": [attribute],
        "notification": {"endpoint": {"uri": uri}, "format": "simplified"},
    }
    answer = httpx.post(f"{base}{API}/subscriptions", json=body, timeout=_PATIENCE_S)
    answer.raise_for_status()


class Crowd:
    """All of them, and whether each of them got on."""

    def __init__(self, base: str, door: int, record: Record) -> None:
        self.members: list[Member] = [
            Pusher("east", door, record),
            Pusher("west", door, record),
            Author("north", base, record),
            Author("south", base, record),
            Reader("reads-counters", base, record, TYPE, ATTRIBUTE),
            Reader("reads-notes", base, record, NOTE, "level"),
        ]

    def start(self) -> None:
        """Let them begin."""
        for member in self.members:
            member.start()

    def progress(self) -> list[int]:
        """How often each got through."""
        return [member.done for member in self.members]

    def stop(self) -> None:
        """Wait until all have stopped; what a pusher had under way may stay unacknowledged."""
        for member in self.members:
            member.stopping.set()
        for member in self.members:
            member.join(3 * _PATIENCE_S)


def wait(what: str, is_so: Callable[[], bool], within_s: float) -> float:
    """Seconds until it is so; raises TimeoutError."""
    began = time.monotonic()
    while not is_so():
        if time.monotonic() - began > within_s:
            raise TimeoutError(f"waited {within_s:g} s for {what}")
        time.sleep(0.02)
    return time.monotonic() - began


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
