"""The tutorial "Your own city", done as it is written."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.faults.running import ROOT, until

PAGE = ROOT / "docs" / "tutorial-my-city.md"
SENSOR = "urn:ngsi-ld:AirQualityObserved:mine"


@pytest.fixture
def blocks(tmp_path: Path, free_port: int, unused_port: int) -> list[str]:
    """The page's commands, on ports that are free."""
    text = PAGE.read_text(encoding="utf-8")
    text = text.replace("8010", str(unused_port)).replace("8000", str(free_port))
    return re.findall(r"```sh\n(.*?)```", text, re.DOTALL)


def environment(folder: Path) -> dict[str, str]:
    """As after the page's `export PATH`, for whichever source is under test."""
    command = folder / "bin" / "cityloop"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cityloop "$@"\n')
    command.chmod(0o755)
    return {**os.environ, "PATH": f"{command.parent}:{os.environ['PATH']}"}


def test_ten_minutes_end_with_a_sensor_on_the_map(
    blocks: list[str], tmp_path: Path, free_port: int
) -> None:
    env = environment(tmp_path)

    def shell(block: str) -> str:
        command = ["bash", "-euc", block]
        options = {"cwd": tmp_path, "env": env, "capture_output": True, "text": True}
        done = subprocess.run(command, check=False, **options)
        assert done.returncode == 0, done.stderr
        return done.stdout

    _, init, source, device, up, post, look = blocks
    shell(init)
    shell(source)
    assert "no mistake" in shell(device)
    city = subprocess.Popen(
        ["bash", "-euc", f"exec {up}"], cwd=tmp_path, env=env, start_new_session=True
    )
    try:
        base = f"http://127.0.0.1:{free_port}"
        until("the city", lambda: answers(f"{base}/api/sources"))
        until("the door", lambda: "ok" in str(answers(f"{base}/api/sources")) or None)
        assert json.loads(shell(post)) == {"accepted": 1, "rejected": 0, "rejects": []}
        shown = answers(f"{base}/api/map")
        assert [it["id"] for it in shown["devices"]] == [SENSOR]
        until("the sensor to be heard", lambda: heard(base) or None)
        assert "accepted_total" in shell(look)
    finally:
        os.killpg(city.pid, signal.SIGINT)
        city.wait(30)


def answers(url: str) -> Any:
    try:
        answer = httpx.get(url, timeout=5)
    except httpx.TransportError:
        return None
    return answer.json() if answer.is_success else None


def heard(base: str) -> bool:
    rows = answers(f"{base}/api/sensors") or []
    return any(row["id"] == SENSOR and row["last_seen"] for row in rows)
