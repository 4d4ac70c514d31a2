"""A small city with a door for street lamps, for tests that post to it."""

from pathlib import Path
from typing import Any

import httpx
from tests.faults.running import RunningCity, until

from cityloop.city.clock import wall_time
from cityloop.city.newcity import Names, write_starter
from cityloop.interconnection.tenant import open_tenant
from cityloop.kernel.ports import Position

LAMP, OTHER_LAMP = "urn:ngsi-ld:Streetlight:1", "urn:ngsi-ld:Streetlight:2"
_SOURCE = """
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
_REAL = """
[city]
name = "Town"
tenant = "town"
"""
_DEVICES = "id,type,source,longitude,latitude,owner\n"


def build_town(folder: Path, *lamps: str) -> Path:
    """A new city in ``folder`` where ``lamps`` are registered."""
    write_starter(folder, Names("Town", "town"))
    (folder / "devices.csv").write_text(_DEVICES)
    for lamp in lamps:
        register(folder, lamp)
    return folder


def build_real_town(folder: Path, *lamps: str) -> Path:
    """The same without a twin: what is known of it, its lamps tell."""
    folder.mkdir()
    (folder / "city.toml").write_text(_REAL)
    (folder / "devices.csv").write_text(_DEVICES)
    for lamp in lamps:
        register(folder, lamp)
    return folder


def register(folder: Path, lamp: str) -> None:
    """One more lamp, for the next start."""
    with (folder / "devices.csv").open("a") as devices:
        devices.write(f"{lamp},Streetlight,lamps,,,City Lights\n")


def open_door(folder: Path, port: int, time: str = "at") -> None:
    """Let lamps post to ``port``; ``time``: what the mapping takes for the name of their time."""
    text = (folder / "city.toml").read_text().partition("\n[sources.lamps]")[0]
    (folder / "city.toml").write_text(text + _SOURCE.format(port=port, time=time))


def push(city: RunningCity, port: int, body: Any, timeout_s: float = 10) -> httpx.Response:
    """The answer to a post, once the door is open."""
    wait_open(city)
    return httpx.post(f"http://127.0.0.1:{port}/", json=body, timeout=timeout_s)


def wait_open(city: RunningCity) -> None:
    """Until the lamps' source listens."""

    def look() -> bool | None:
        sources = city.get("/api/sources") or []
        return any(source["state"] == "ok" for source in sources) or None

    until("the door", look)


def levels(data: Path, store: str = "sqlite") -> dict[str, list[float]]:
    """What the log holds of each lamp."""
    tenant = open_tenant(data, "town", wall_time, store=store, readonly=True)
    found: dict[str, list[float]] = {}
    for commit in tenant.log.read(Position(0)):
        for part in commit.batch.rows:
            said = part.columns["illuminanceLevel"].values.tolist()
            for entity, level in zip(part.entity, said, strict=True):
                found.setdefault(part.ids.names[entity], []).append(level)
    tenant.close()
    return found
