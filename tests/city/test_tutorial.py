"""The tutorials "Your own city" and "A sensor", done as they are written."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import httpx
import pytest
from tests.faults.running import ROOT, until

DOCS = ROOT / "docs"
MINE = "urn:ngsi-ld:AirQualityObserved:mine"
SPOKEN = ["12.5", "13.5", "14.5", "15.5", "14.5", "15.5"]
BRIDGE = "urn:ngsi-ld:AirQualityObserved:bridge"


class Reader:
    """Does what a page says, in a folder and on ports of its own."""

    def __init__(self, folder: Path, port: int, other: int) -> None:
        self.base = f"http://127.0.0.1:{port}"
        self._ports = {"8000": str(port), "8010": str(other)}
        self._folder = folder
        command = folder / "bin" / "cityloop"
        command.parent.mkdir()
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cityloop "$@"\n')
        command.chmod(0o755)
        # As after the page's `export PATH`, for whichever source is under test.
        self._env = {**os.environ, "PATH": f"{command.parent}:{os.environ['PATH']}"}

    def blocks(self, page: str) -> list[str]:
        """The page's commands."""
        text = (DOCS / page).read_text(encoding="utf-8")
        return re.findall(r"```sh\n(.*?)```", self._on_ports(text), re.DOTALL)

    def move(self, settings: str) -> None:
        """Put the ports of a city.toml that a command has written where they are free."""
        file = self._folder / settings
        file.write_text(self._on_ports(file.read_text(encoding="utf-8")))

    def _on_ports(self, text: str) -> str:
        for written, free in self._ports.items():
            text = text.replace(written, free)
        return text

    def shell(self, block: str) -> str:
        """What the commands of a block print; they must succeed."""
        command = ["bash", "-euc", block]
        options = {"cwd": self._folder, "env": self._env, "capture_output": True, "text": True}
        done = subprocess.run(command, check=False, **options)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def terminal(self, block: str) -> Iterator[Popen[str]]:
        """A command that runs until Ctrl-C."""
        command = ["bash", "-euc", f"exec {block}"]
        options = {"cwd": self._folder, "env": self._env, "text": True}
        with Popen(command, stdout=PIPE, stderr=PIPE, start_new_session=True, **options) as process:
            try:
                yield process
            finally:
                os.killpg(process.pid, signal.SIGINT)
                process.communicate(timeout=30)

    @contextmanager
    def city(self, block: str) -> Iterator[None]:
        """A city that is up and can be posted to."""
        with self.terminal(block):
            until("the city", lambda: answers(f"{self.base}/api/sources"))
            until("the door", lambda: "ok" in str(answers(f"{self.base}/api/sources")) or None)
            yield

    def heard(self, sensor: str) -> bool:
        """Whether the page of sensors says when ``sensor`` was heard."""
        rows = answers(f"{self.base}/api/sensors") or []
        return any(row["id"] == sensor and row["last_seen"] for row in rows)


@pytest.fixture
def reader(tmp_path: Path, free_port: int, unused_port: int) -> Reader:
    return Reader(tmp_path, free_port, unused_port)


def test_ten_minutes_end_with_a_sensor_on_the_map(reader: Reader) -> None:
    _, init, source, device, up, post, look = reader.blocks("tutorial-my-city.md")
    reader.shell(init)
    reader.shell(source)
    assert "no mistake" in reader.shell(device)
    with reader.city(up):
        assert json.loads(reader.shell(post)) == {"accepted": 1, "rejected": 0, "rejects": []}
        shown = answers(f"{reader.base}/api/map")
        assert [it["id"] for it in shown["devices"]] == [MINE]
        until("the sensor to be heard", lambda: reader.heard(MINE) or None)
        assert "accepted_total" in reader.shell(look)


def test_ten_minutes_end_with_a_message_from_a_sensor(reader: Reader) -> None:
    blocks = iter(reader.blocks("tutorial-sensor.md"))
    reader.shell(next(blocks))
    reader.move("riverside/city.toml")
    assert "no mistake" in reader.shell(next(blocks))
    with reader.city(next(blocks)):
        assert json.loads(reader.shell(next(blocks)))["accepted"] == 1
        assert BRIDGE in [it["id"] for it in answers(f"{reader.base}/api/map")["devices"]]
        until("the sensor to be heard", lambda: reader.heard(BRIDGE) or None)
        seen = reader.shell(next(blocks))
        assert '"unitCode": "GQ"' in seen
        assert seen.count(BRIDGE) == 2
        with following(reader, next(blocks)) as line:
            reader.shell(next(blocks))
            assert line().endswith(f"updated  {BRIDGE}  AirQualityObserved  pm25 12.5 → 13.5\n")
        with following(reader, next(blocks)) as line:
            reader.shell(next(blocks))
            assert json.loads(line())["data"][0]["pm25"]["value"] == 15.5
        *last, take_away = blocks
        lasting(reader, *last)
        _, *said = csv.reader(reader.shell(take_away).splitlines())
        assert [row[4] for row in said if BRIDGE in row] == SPOKEN


def lasting(reader: Reader, made: str, why: str, waits: str, gone: str) -> None:
    """The last step: a subscription that nobody listens to."""
    reader.shell(made)

    def answer(block: str) -> Any:
        return json.loads(reader.shell(block).splitlines()[-1])

    until("the value", lambda: "pm25 = 14.5" in answer(why)["answer"] or None)
    assert answer(why)["verdict"] == "notMatching"
    reader.shell(waits.splitlines()[0])
    until("the message", lambda: answer(why)["verdict"] in ("failing", "pending") or None)
    assert answer(waits.splitlines()[1])["notification"]["pending"] == 1
    reader.shell(gone)
    assert answers(f"{reader.base}/ngsi-ld/v1/subscriptions") == []


@contextmanager
def following(reader: Reader, block: str) -> Iterator[Callable[[], str]]:
    """A command that has subscribed; gives what reads its next line."""
    with reader.terminal(block) as process:
        assert process.stderr
        assert process.stdout
        assert "subscribed" in process.stderr.readline()
        yield process.stdout.readline


def answers(url: str) -> Any:
    try:
        answer = httpx.get(url, timeout=5)
    except httpx.TransportError:
        return None
    return answer.json() if answer.is_success else None
