"""What was refused is kept, and enters after a mend."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.faults.running import RunningCity, running, until

from cityloop.city.build import wall_time
from cityloop.city.newcity import Names, write_starter
from cityloop.interconnection.tenant import open_tenant
from cityloop.kernel.ports import Position

LAMP, STRANGER = "urn:ngsi-ld:Streetlight:1", "urn:ngsi-ld:Streetlight:2"
SOURCE = """
[sources.lamps]
kind = "http"
port = {port}

[sources.lamps.payload]
format = "mapping"
type = "Streetlight"
entity = "urn:ngsi-ld:Streetlight:{{lamp}}"
time = "{time}"
attributes = {{ illuminanceLevel = "level" }}
"""
DEVICES = "id,type,source,longitude,latitude,owner\n{},Streetlight,lamps,,,City Lights\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "town"
    write_starter(folder, Names("Town", "town"))
    (folder / "devices.csv").write_text(DEVICES.format(LAMP))
    return folder


def declare(home: Path, port: int, time: str) -> None:
    text = (home / "city.toml").read_text().partition("\n[sources.lamps]")[0]
    (home / "city.toml").write_text(text + SOURCE.format(port=port, time=time))


def test_rejects_enter_after_a_mend(
    home: Path, tmp_path: Path, free_port: int, unused_port: int
) -> None:
    page, door = free_port, unused_port
    post = [{"lamp": lamp, "level": 0.5, "at": datetime.now(UTC).isoformat()} for lamp in (1, 2)]

    declare(home, door, time="when")  # wrong: the lamps call it "at"
    with running(tmp_path, page, city=home) as city:
        assert pushed(city, door, post[0]).status_code == 422
        assert [row["reason"].partition(":")[0] for row in rejects(city)] == ["wrong time"]
        city.stop()

    declare(home, door, time="at")
    with running(tmp_path, page, city=home) as city:
        assert again(city) == 1
        until("the lamp", lambda: levels(tmp_path).get(LAMP))
        assert pushed(city, door, post[1]).status_code == 422  # no such lamp is registered
        city.stop()

    with (home / "devices.csv").open("a") as devices:
        devices.write(DEVICES.format(STRANGER).partition("\n")[2])
    with running(tmp_path, page, city=home) as city:
        assert again(city) == 1
        until("the other lamp", lambda: levels(tmp_path).get(STRANGER))
        assert city.post("/api/rejects/replay", {"source": "lamps"}).status_code == 409
        city.stop()
    assert levels(tmp_path) == {LAMP: [0.5], STRANGER: [0.5]}


def pushed(city: RunningCity, door: int, body: dict[str, Any]) -> httpx.Response:
    until("the door", lambda: ready(city))
    return httpx.post(f"http://127.0.0.1:{door}/", json=body)


def ready(city: RunningCity) -> bool | None:
    sources = city.get("/api/sources") or []
    return any(source["state"] == "ok" for source in sources) or None


def rejects(city: RunningCity) -> list[dict[str, Any]]:
    return until("a reject", lambda: city.get("/api/rejects") or None)


def again(city: RunningCity) -> int:
    until("the door", lambda: ready(city))
    answer = city.post("/api/rejects/replay", {"source": "lamps", "by": "a mender"})
    assert answer.status_code == 200, answer.text
    count: int = answer.json()["handed_over"]
    return count


def levels(data: Path) -> dict[str, list[float]]:
    """What the log holds of each lamp."""
    tenant = open_tenant(data, "town", wall_time, readonly=True)
    found: dict[str, list[float]] = {}
    for commit in tenant.log.read(Position(0)):
        for part in commit.batch.rows:
            levels = part.columns["illuminanceLevel"].values.tolist()
            for entity, level in zip(part.entity, levels, strict=True):
                found.setdefault(part.ids.names[entity], []).append(level)
    tenant.close()
    return found
