"""``cityloop context``: a broker on the command line."""

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen

import httpx
import pytest
from typer.testing import CliRunner

from cityloop.cli.main import app
from tests.broker.running import running


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, unused_port: int) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("broker"), unused_port):
        yield f"http://127.0.0.1:{unused_port}"


def said(*words: str, given: str = "") -> str:
    result = CliRunner().invoke(app, ["context", *words], input=given)
    if result.exception is not None:
        return str(result.exception)
    return result.output


def test_what_is_put_is_got_and_found(address: str, tmp_path: Path) -> None:
    lamps = [{"id": f"urn:ngsi-ld:Lamp:{n}", "type": "Lamp", "level": n} for n in (1, 2)]
    (tmp_path / "lamps.json").write_text(json.dumps(lamps))
    put = said("put", str(tmp_path / "lamps.json"), "--broker", address)
    assert put == "2 created, 0 brought up to date\n"
    again = said("put", "-", "--broker", address, given=json.dumps(lamps[0]))
    assert again == "0 created, 1 brought up to date\n"
    got = json.loads(said("get", "urn:ngsi-ld:Lamp:1", "--broker", address))
    assert got["level"] == {"type": "Property", "value": 1}
    found = said("query", "--type", "Lamp", "--q", "level>1", "--broker", address)
    assert json.loads(found) == lamps[1]


def test_what_people_wrote_is_shown_as_they_wrote_it(address: str) -> None:
    lamp = {"id": "urn:ngsi-ld:Lamp:7", "type": "Lamp", "street": "文三路"}
    said("put", "-", "--broker", address, given=json.dumps(lamp))
    assert "文三路" in said("get", "urn:ngsi-ld:Lamp:7", "--broker", address)


def test_the_broker_s_reason_is_told(address: str) -> None:
    assert "urn:ngsi-ld:Lamp:9" in said("get", "urn:ngsi-ld:Lamp:9", "--broker", address)
    assert "too wide" in said("query", "--broker", address)


def test_a_broker_that_is_not_there_is_told_with_how_to_start_one() -> None:
    # Nobody serves HTTP on the port of "discard".
    assert "cityloop broker" in said("get", "urn:x:1", "--broker", "http://127.0.0.1:9")


@contextmanager
def listening(address: str, *words: str) -> Iterator[Popen[str]]:
    """A command that follows, once it says that it has subscribed; ended as by Ctrl-C."""
    command = [sys.executable, "-m", "cityloop", "context", *words, "--broker", address]
    with Popen(command, stdout=PIPE, stderr=PIPE, text=True) as process:
        assert process.stderr
        assert "subscribed as urn:ngsi-ld:Subscription:" in process.stderr.readline()
        yield process
        process.send_signal(signal.SIGINT)


def subscriptions(address: str) -> list[str]:
    answer = httpx.get(f"{address}/ngsi-ld/v1/subscriptions")
    return [one["id"] for one in answer.json()]


def post(level: int) -> str:
    return json.dumps({"id": "urn:ngsi-ld:Post:1", "type": "Post", "level": level})


def test_tail_tells_each_change_in_a_line_and_leaves_nothing_behind(address: str) -> None:
    with listening(address, "tail", "--type", "Post") as tail:
        for level in (1, 2):
            said("put", "-", "--broker", address, given=post(level))
        assert tail.stdout
        lines = [tail.stdout.readline().split("  ", 1)[1] for _ in range(2)]
    assert lines == [
        "created  urn:ngsi-ld:Post:1  Post  level 1\n",
        "updated  urn:ngsi-ld:Post:1  Post  level 1 → 2\n",
    ]
    assert tail.returncode == 0
    assert subscriptions(address) == []


def test_subscribe_prints_notifications_until_so_many_came(address: str) -> None:
    words = ("--id", "urn:ngsi-ld:Post:1", "--q", "level>5", "--format", "keyValues")
    with listening(address, "subscribe", *words, "--count", "1") as listener:
        for level in (3, 7):
            said("put", "-", "--broker", address, given=post(level))
        assert listener.stdout
        told = json.loads(listener.stdout.readline())
        assert listener.wait(20) == 0
    assert told["data"] == [json.loads(post(7))]
    assert subscriptions(address) == []


def test_a_subscription_that_is_kept_outlives_its_listener(address: str) -> None:
    with listening(address, "subscribe", "--type", "Post", "--keep"):
        pass
    (name,) = subscriptions(address)
    kept = httpx.get(f"{address}/ngsi-ld/v1/subscriptions/{name}").json()
    assert "expiresAt" not in kept


def test_a_subscription_of_a_listener_that_was_killed_expires(address: str) -> None:
    with listening(address, "tail", "--type", "Post") as tail:
        tail.kill()
    names = subscriptions(address)
    found = [httpx.get(f"{address}/ngsi-ld/v1/subscriptions/{name}").json() for name in names]
    assert any("expiresAt" in one for one in found)
