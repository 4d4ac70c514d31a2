"""The context broker of a running city: what sources say and what clients write is one picture."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.faults.running import RunningCity, running, until
from tests.faults.town import LAMP, build_real_town, open_door, push

API = "/ngsi-ld/v1"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_real_town(tmp_path_factory.mktemp("shared") / "town", LAMP)


@pytest.fixture
def city(
    home: Path, tmp_path: Path, free_port: int, unused_port: int
) -> Iterator[tuple[RunningCity, int]]:
    """A town without a twin, and the port at which its lamps report."""
    open_door(home, unused_port)
    with running(tmp_path / "data", free_port, city=home) as city:
        yield city, unused_port


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
    city: tuple[RunningCity, int],
) -> None:
    running, port = city
    for level in (0.25, 0.75):
        at = say(running, port, level)
        assert lamp(running)["illuminanceLevel"] == {
            "type": "Property",
            "value": level,
            "observedAt": at,
            "unitCode": "C62",
        }
    found = running.get(f"{API}/entities?type=Streetlight&q=illuminanceLevel>0.5")
    assert [entity["id"] for entity in found] == [LAMP]
    assert "Streetlight" in running.get(f"{API}/types")["typeList"]
