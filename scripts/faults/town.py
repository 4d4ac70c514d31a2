"""The city that is killed: Gudang's streets with a loop that acts, and a door for counters."""

import shutil
import socket
from pathlib import Path

from tests.faults.running import HANGZHOU

TYPE, ATTRIBUTE = "TrafficFlowObserved", "intensity"
_SOURCE = """
[sources.counters]
kind = "http"
port = {port}

[sources.counters.devices]
TrafficFlowObserved = "urn:ngsi-ld:TrafficFlowObserved:*"

[sources.counters.payload]
format = "mapping"
each = "rows"
type = "TrafficFlowObserved"
entity = "urn:ngsi-ld:TrafficFlowObserved:{{name}}"
time = "at"
attributes = {{ intensity = "n" }}
"""


def build_city(folder: Path, door: int, store: str | None = None) -> Path:
    """A copy of the example, with counters that post to ``door``; ``store``: a URL for its log."""
    folder.mkdir(parents=True)
    for file in HANGZHOU.glob("*.csv"):
        shutil.copy(file, folder)
    text = (HANGZHOU / "city.toml").read_text(encoding="utf-8")
    if store is not None:
        text = text.replace("[city]\n", f'[city]\nstore = "{store}"\n', 1)
    (folder / "city.toml").write_text(text + _SOURCE.format(port=door), encoding="utf-8")
    return folder


def free_port() -> int:
    """A loopback port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
