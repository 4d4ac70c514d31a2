"""A crowd on the event stream over real sockets: who does not read delays nobody who does."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest
from tests.web.conftest import Served
from tests.web.test_stream import read_events

LIVE = 12


def asked(served: Served) -> socket.socket:
    """A socket that asked for the stream and has hardly any room for it."""
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    one.settimeout(20)
    one.connect(("127.0.0.1", served.port))
    one.sendall(
        f"GET /api/stream?after=0 HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n\r\n".encode()
    )
    return one


@pytest.fixture
def dead(served: Served) -> Iterator[socket.socket]:
    """A client that never reads."""
    with asked(served) as one:
        yield one


@pytest.fixture
def slow(served: Served) -> Iterator[socket.socket]:
    """A client that reads a few bytes, and then stops for a while."""
    with asked(served) as one:
        one.recv(16)
        yield one


def follow(url: str, until_seq: int, seen: list[int], ready: threading.Barrier) -> None:
    """Read the stream up to a state; the sequence numbers that came."""
    with httpx.stream("GET", f"{url}/api/stream", timeout=20) as answer:
        events = read_events(answer.iter_lines())
        next(events)
        ready.wait(20)
        for name, data in events:
            if name == "state":
                seen.append(data["seq"])
                if data["seq"] >= until_seq:
                    return


def test_live_clients_reach_the_newest_state_beside_a_slow_and_a_dead_one(
    served: Served, dead: socket.socket, slow: socket.socket
) -> None:
    served.advance(600)
    steps = 30
    newest = served.city.state().seq + steps
    seen: list[list[int]] = [[] for _ in range(LIVE)]
    ready = threading.Barrier(LIVE + 1)
    threads = [
        threading.Thread(target=follow, args=(served.url, newest, one, ready)) for one in seen
    ]
    with ExitStack() as ends:
        for thread in threads:
            thread.start()
            ends.callback(thread.join, 20)
        ready.wait(20)
        for _ in range(steps):
            served.advance(20)
    assert all(one and one[-1] >= newest for one in seen)


def test_a_client_that_was_stuck_gets_every_decision_once_it_reads_again(
    served: Served, slow: socket.socket
) -> None:
    for _ in range(20):
        served.advance(60)
    newest = served.city.decisions(1)[0].number
    text = b""
    while len(set(re.findall(rb'"number":(\d+),', text))) < newest:
        text += slow.recv(65_536)
    assert b"event: gap" not in text
