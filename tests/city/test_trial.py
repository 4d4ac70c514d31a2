"""``cityloop source test``: shows what a source would bring, and leaves no trace."""

import asyncio
import threading
from collections import Counter
from pathlib import Path

import pytest
from tests.perception.conftest import broker
from tests.perception.test_mqtt_source import WIDE, flow, publish

from cityloop.city.trial import try_source
from cityloop.kernel.errors import ConfigError

CITY = """
[sources.street]
kind = "mqtt"
url = "mqtt://127.0.0.1:{port}"
topics = ["city/#"]
probe = ""

[sources.street.devices]
TrafficFlowObserved = "flow:*"
"""


def test_a_trial_shows_what_enters_and_what_does_not(tmp_path: Path, free_port: int) -> None:
    (tmp_path / "city.toml").write_text(CITY.format(port=free_port))
    told: list[str] = []

    def hear(line: str) -> None:
        told.append(line)
        if line == "= ok: connected":
            sent = (flow("flow:1"), flow("ship:1"), b"nonsense")
            threading.Thread(target=lambda: asyncio.run(publish(free_port, *sent))).start()

    with broker(tmp_path, free_port, *WIDE):
        result = try_source(tmp_path, "street", 2.0, hear)
    assert result == (1, Counter({"malformed": 1, "undeclared device": 1}))
    assert any(line.startswith("+ TrafficFlowObserved flow:1 ") for line in told)
    assert any(line.startswith("- ship:1: undeclared device") for line in told)
    assert {path.name for path in tmp_path.iterdir()} == {"city.toml", "mosquitto.conf"}


def test_an_unknown_source_is_told_with_those_there_are(tmp_path: Path) -> None:
    (tmp_path / "city.toml").write_text(CITY.format(port=1))
    with pytest.raises(ConfigError, match=r"\[city\] is missing"):
        try_source(tmp_path, "road", 1.0, print)
