"""The doors of the replayed city: the real ones, with two sources and a few rejects."""

import tempfile
from pathlib import Path

import msgspec

from cityloop.city.board import Ask
from cityloop.city.clock import wall_time
from cityloop.city.doors import Doors
from cityloop.city.surface import SourceRow
from cityloop.interconnection.tenant import Place, open_rejects
from cityloop.kernel.changes import Reject
from cityloop.kernel.clock import CityTime

AT = CityTime(1_523_844_600_000)
SEEN = "2018-04-16T02:14:58.000Z"
SOURCES = [
    SourceRow("air", "mqtt", "ok", "", 6, 0.2, SEEN, 4_210, 3, {"out of range": 3}, 0, 1.4),
    SourceRow(
        "weather",
        "poll",
        "failing",
        "The server answered 503; asked again in 40 s.",
        1,
        0.0,
        None,
        0,
        0,
        {},
        0,
        None,
    ),
]
REASON = "out of range: 4000 is above 1000"


def replay_doors(ask: Ask) -> Doors:
    """Two sources, of which one brought three readings that no sensor can mean."""
    # Removed with the process: the reader keeps its database open for as long as it lives.
    folder = Path(tempfile.mkdtemp(prefix="cityloop-replay-"))
    kept = open_rejects(Place(folder), wall_time)
    kept.offer(
        Reject("air", "live", AT, f"urn:ngsi-ld:AirQualityObserved:{row}", "pm25", "4000", REASON)
        for row in range(3)
    )
    kept.close()
    doors = Doors(Place(folder), ask)
    doors.hear("sources", msgspec.json.encode(SOURCES))
    return doors
