"""``city.toml``: what a person writes to describe a city. Every mistake is named with its place."""

import re
import tomllib
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from cityloop.kernel.errors import ConfigError

Positive = Annotated[float, Meta(gt=0)]
Name = Annotated[str, Meta(min_length=1, max_length=80)]
Tenant = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,40}$")]


class City(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[city]``: who it is and where its data lies (relative to the file)."""

    name: Name
    tenant: Tenant
    time_zone: str = "UTC"
    data: str = "data"


class Anchor(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[anchor]``: where the network's origin lies on Earth (WGS 84 degrees), for display."""

    latitude: Annotated[float, Meta(ge=-90, le=90)]
    longitude: Annotated[float, Meta(ge=-180, le=180)]
    approximate: bool = False
    note: str = ""


class Twin(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[twin]``: the simulator that stands for the city.

    Either ``tables`` (a folder of our CSV tables) or ``scenario`` (a .sumocfg, or
    NET,ROUTES[,ADD]). ``begins``: city time of the first run; each further run is a day later.
    """

    begins: datetime
    tables: str | None = None
    scenario: str | None = None
    speed: Positive | Literal["max"] = 5.0
    baseline: Literal["webster", "none"] = "webster"
    seed: Annotated[int, Meta(ge=0)] = 1
    hour_s: Annotated[int, Meta(gt=0)] = 3600


class Signals(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[signals]``: what the guard holds at every junction (seconds) and how far detectors see."""

    min_green_s: Annotated[float, Meta(ge=5, le=60)] = 7.0
    max_red_s: Annotated[float, Meta(ge=60, le=300)] = 120.0
    detectors_reach_m: Annotated[float, Meta(ge=150)] = 200.0


class LoopChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[loops."domain/name"]``: a loop that this city runs, and how far it may go at the start.

    ``act`` needs ``shadow_result``: the evidence on which somebody lets it act.
    """

    mode: Literal["observe", "shadow", "advise", "act"] = "observe"
    shadow_result: str = ""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file. ``groups``: name → junctions whose mode is switched together."""

    city: City
    twin: Twin
    loops: dict[str, LoopChoice]
    anchor: Anchor | None = None
    signals: Signals = Signals()
    groups: dict[str, list[str]] = {}


def read_settings(folder: Path) -> Settings:
    """The settings in ``folder/city.toml``; raises ConfigError with file, line, what, how."""
    path = folder / "city.toml"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; a city is a folder with a city.toml") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
    try:
        settings = msgspec.convert(tomllib.loads(text), Settings)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {error}") from None
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}:{line_of(text, str(error))}: {error}") from None
    _check(settings, path, text)
    return settings


def _check(settings: Settings, path: Path, text: str) -> None:
    def fail(key: str, message: str) -> None:
        raise ConfigError(f"{path}:{line_of(text, key)}: {message}")

    twin = settings.twin
    if twin.begins.tzinfo is None:
        fail("begins", "twin.begins needs a time zone, e.g. 2018-04-16T10:00:00+08:00")
    if (twin.tables is None) == (twin.scenario is None):
        fail("[twin]", "give exactly one of twin.tables and twin.scenario")
    for name, loop in settings.loops.items():
        if loop.mode == "act" and not loop.shadow_result:
            fail(name, f"loop {name} may only act with a shadow_result that shows why")
    seen: dict[str, str] = {}
    for group, junctions in settings.groups.items():
        for junction in junctions:
            if junction in seen:
                fail(junction, f"{junction} is in groups {seen[junction]} and {group}; choose one")
            seen[junction] = group


def line_of(text: str, message: str) -> int:
    """The line of the last key that a message names; 1 when it is not found."""
    words = re.findall(r"[A-Za-z_][\w/-]*", message.rpartition("$")[2]) + re.findall(
        r"`(\w+)`", message
    )
    for word in reversed(words):
        for number, line in enumerate(text.splitlines(), 1):
            if re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", line):
                return number
    return 1
