"""``city.toml``: what a person writes to describe a city. Every mistake is named with its place."""

import importlib.util
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

import msgspec
from msgspec import Meta

from cityloop.city.settings_reader import UNSOUND, Tell, nearest, read_value
from cityloop.city.toml_lines import KeyPath, key_lines, line_at
from cityloop.interconnection.bus.server import address_problem
from cityloop.kernel.errors import Gathered, MistakeError
from cityloop.perception.sources import AnySource

Positive = Annotated[float, Meta(gt=0)]
Name = Annotated[str, Meta(min_length=1, max_length=80)]
Tenant = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,40}$")]


_DATABASE = re.compile(r"postgres(ql)?://([^:@/]+@)?[^@/]+/[^/?]+(\?.*)?")

_BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._=-]+)*/?")


def store_mistake(store: str) -> tuple[str, str] | None:
    """What is wrong with where log and context are to lie, and how to mend it."""
    if store == "sqlite":
        return None
    if re.match(r"\w+://[^/@]*:[^/@]*@", store) or "password=" in store:
        what = "city.store holds a password"
        return what, "take it out; PGPASSFILE, ~/.pgpass or PGPASSWORD carry it"
    if not _DATABASE.fullmatch(store):
        what = f'city.store is "{store}", which is neither "sqlite" nor a PostgreSQL database'
        return what, 'write e.g. store = "postgresql://cityloop@db.example.org:5432/cityloop"'
    if find_spec("psycopg") is None:
        what = f'city.store is "{store}", and no library for it is installed'
        return what, "pip install 'cityloop[scaled]'"
    return None


def history_mistake(history: str) -> tuple[str, str] | None:
    """What is wrong with where the history is to lie, and how to mend it."""
    if history == "folder":
        return None
    if "@" in history:
        what = "city.history holds a secret, or what looks like one"
        return what, "keys are read from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    if not _BUCKET.fullmatch(history):
        what = f'city.history is "{history}", which is neither "folder" nor s3://bucket/prefix'
        return what, 'write e.g. history = "s3://bucket/hangzhou"'
    if importlib.util.find_spec("deltalake") is None:
        what = f'city.history is "{history}", and no library for it is installed'
        return what, "pip install 'cityloop[scaled]'"
    return None


class City(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[city]``: who it is and where its data lies (relative to the file).

    ``workers``: where loops run that can be divided: "hub", "ray" (a cluster of the city's own on
    this machine) or "ray://host:port"; ``partitions``: into how many parts they are cut there.
    ``store``: of log and context; "sqlite", in the folder for data, or a PostgreSQL's URL.
    """

    name: Name
    tenant: Tenant
    time_zone: str = "UTC"
    data: str = "data"
    store: str = "sqlite"
    bus: str = "process"
    history: str = "folder"
    workers: str = "hub"
    partitions: Annotated[int, Meta(ge=1, le=1000)] = 2


class BusRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[bus]``: what a NATS server keeps of this city, and how long, where ``city.bus`` names one.

    ``discard``: "old" lets the oldest go when ``most_gb`` are full, "new" makes the bus wait until
    there is room. ``partitions``: of each entity type, by id. ``replicas``: servers that hold it.
    """

    most_gb: Positive = 1.0
    keep_h: Positive = 24.0
    discard: Literal["old", "new"] = "old"
    partitions: Annotated[int, Meta(ge=1, le=1024)] = 1
    replicas: Annotated[int, Meta(ge=1, le=5)] = 1


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
    faults: str | None = None


class Network(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[network]``: the streets of a city without a twin, for its map and its detectors.

    Either ``tables`` or ``scenario``, as in ``[twin]``; of a scenario the network and its signal
    plans are read (a SUMO network alone will do), traffic is not.
    """

    tables: str | None = None
    scenario: str | None = None


class Signals(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[signals]``: what the guard holds at every junction (seconds), how far detectors see, and
    the tables of time-of-day plans that cabinets run where the centre does not order otherwise.
    """

    min_green_s: Annotated[float, Meta(ge=5, le=60)] = 7.0
    max_red_s: Annotated[float, Meta(ge=60, le=300)] = 120.0
    detectors_reach_m: Annotated[float, Meta(ge=150)] = 200.0
    plans: str | None = None
    calendar: str | None = None
    holidays: list[date] = []


class Alarms(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[alarms]``: who is called when nobody looks at a critical alarm, and after how long."""

    escalate_after_min: Annotated[float, Meta(gt=0, le=1440)] = 10.0
    escalate_to: Name = "shift lead"


class TracerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[tracer]``: how often an observation of nothing runs the whole circle (0: never), and after
    how long it is taken for lost. The context takes it in within some ten seconds."""

    every_s: Annotated[float, Meta(ge=0, le=3600)] = 60.0
    patience_s: Annotated[float, Meta(ge=1, le=600)] = 45.0


class SharedPicture(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[broker]``: how the city speaks NGSI-LD with others.

    ``contexts``: @contexts at hand, a JSON table URL: file or a folder; ``fetch``: whether others
    may be fetched. ``notify_to``: private hosts and networks that may be notified; where one is
    named no other is.
    """

    contexts: str = ""
    fetch: bool = True
    notify_to: list[str] = []

    def at_hand(self, home: Path) -> Path | None:
        """Where the @contexts lie, in a city whose settings lie in ``home``."""
        return home / self.contexts if self.contexts else None


class LoopChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[loops."domain/name"]``: a loop that this city runs, and how far it may go at the start.

    ``act`` needs ``shadow_result``: the evidence on which somebody lets it act. ``version``: which
    of those installed, else the newest. ``shadow_minutes``, ``shadow_refused_share``: what a result
    of its own must show before it may act: decided so long, so few refused, and no failure.
    """

    mode: Literal["observe", "shadow", "advise", "act"] = "observe"
    shadow_result: str = ""
    version: str | None = None
    shadow_minutes: Annotated[float, Meta(ge=1)] = 60.0
    shadow_refused_share: Annotated[float, Meta(ge=0, le=1)] = 0.05


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file. ``groups``: name → junctions whose mode is switched together.

    Without ``twin`` the city is a real one: its sources speak for it, on the clock on the wall.
    """

    city: City
    twin: Twin | None = None
    network: Network | None = None
    loops: dict[str, LoopChoice] = {}
    anchor: Anchor | None = None
    signals: Signals = Signals()
    alarms: Alarms = Alarms()
    broker: SharedPicture = SharedPicture()
    bus: BusRule = BusRule()
    tracer: TracerSettings = TracerSettings()
    groups: dict[str, list[str]] = {}
    sources: dict[str, AnySource] = {}


@dataclass(frozen=True, slots=True)
class Draft:
    """A ``city.toml`` as far as it is sound.

    ``sections``: those of the top level that are, by name; of dictionaries their sound members.
    ``raw``: all that stands in the file. ``mistakes``: in the order of their lines.
    """

    path: Path
    lines: Mapping[KeyPath, int]
    raw: Mapping[str, Any]
    sections: Mapping[str, Any]
    mistakes: tuple[MistakeError, ...]

    def settings(self) -> Settings:
        """The whole; raises all mistakes there are."""
        Gathered(self.mistakes).check()
        return Settings(**self.sections)

    def mistake(self, path: KeyPath, what: str, mend: str) -> MistakeError:
        """A mistake at the line of ``path``."""
        return MistakeError(self.path, line_at(self.lines, path), what, mend)


def read_settings(folder: Path) -> Settings:
    """The settings in ``folder/city.toml``; raises every mistake with file, line, what, how."""
    return read_draft(folder).settings()


def read_draft(folder: Path) -> Draft:
    """``folder/city.toml`` as far as it is sound; raises ConfigError when it is no TOML."""
    path = folder / "city.toml"
    text = _text(path)
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        place = int(line[1]) if line else text.count("\n") + 1
        raise MistakeError(path, place, f"this is no TOML: {error}", "mend the line") from None
    lines = key_lines(text)
    told: list[MistakeError] = []

    def tell(key: KeyPath, what: str, mend: str) -> None:
        told.append(MistakeError(path, line_at(lines, key), what, mend))

    sections = _sections(raw, tell)
    for key, what, mend in _checks(sections, raw):
        tell(key, what, mend)
    return Draft(path, lines, raw, sections, tuple(sorted(told, key=lambda it: it.line or 0)))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise MistakeError(
            path, None, "no such file", "a city is a folder with a city.toml: cityloop init"
        ) from None
    except OSError as error:
        raise MistakeError(path, None, f"cannot be read: {error.strerror}", "see to it") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise MistakeError(
            path, line, f"not UTF-8 at byte {error.start}", "save it as UTF-8"
        ) from None


def _sections(raw: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    """The sections that are sound; those that are not there stand in with their default."""
    fields = {field.name: field for field in msgspec.structs.fields(Settings)}
    for name in raw.keys() - fields.keys():
        tell((name,), f"unknown section [{name}]", nearest(name, list(fields)))
    sections: dict[str, Any] = {}
    for name, field in fields.items():
        if name in raw:
            value = read_value(field.type, raw[name], (name,), tell)
            if value is not UNSOUND:
                sections[name] = value
        elif field.required:
            tell((name,), f"[{name}] is missing", "add the section")
        else:
            sections[name] = _default(field)
    return sections


def _default(field: msgspec.structs.FieldInfo) -> Any:
    made = field.default_factory
    return field.default if made is msgspec.NODEFAULT else made()


_Told = tuple[KeyPath, str, str]


def _checks(sections: Mapping[str, Any], raw: Mapping[str, Any]) -> Iterator[_Told]:
    """What one key alone does not tell: (key, what is wrong, how to mend it)."""
    if city := sections.get("city"):
        yield from _check_city(city)
    if twin := sections.get("twin"):
        yield from _check_twin(twin)
    yield from _check_kind(sections, raw)
    for name, loop in sections.get("loops", {}).items():
        if loop.mode == "act" and "twin" not in raw:
            yield (
                ("loops", name, "mode"),
                f"loop {name} acts in a city without cabinets",
                "choose observe, shadow or advise, or add a [twin]",
            )
        elif loop.mode == "act" and not loop.shadow_result:
            yield (
                ("loops", name, "mode"),
                f"loop {name} acts without a shadow_result",
                "say what it decided in shadow that justifies it, or choose another mode",
            )
    yield from _check_groups(sections.get("groups", {}))
    for name, source in sections.get("sources", {}).items():
        for key, what, mend in source.mistakes():
            yield ("sources", name, *key), f"sources.{name}: {what}", mend


def _check_city(city: City) -> Iterator[_Told]:
    zones = available_timezones()
    if city.time_zone not in zones:
        what = f'city.time_zone is "{city.time_zone}", which is no IANA time zone'
        close = get_close_matches(city.time_zone, sorted(zones), 1)
        mend = f"did you mean {close[0]}?" if close else "write e.g. Asia/Shanghai or UTC"
        yield ("city", "time_zone"), what, mend
    if city.bus != "process" and (wrong := address_problem(city.bus)):
        yield ("city", "bus"), *wrong
    yield from _check_workers(city.workers)
    if found := history_mistake(city.history):
        yield ("city", "history"), *found
    if found := store_mistake(city.store):
        yield ("city", "store"), *found


def _check_workers(workers: str) -> Iterator[_Told]:
    address = re.fullmatch(r"ray://[^/@:\s]+:\d+", workers)
    if workers not in ("hub", "ray") and not address:
        what = f'city.workers is "{workers}", which names no workers'
        yield ("city", "workers"), what, 'write "hub", "ray" or "ray://host:port"'
    elif workers != "hub" and find_spec("ray") is None:
        what = f'city.workers is "{workers}", but Ray is not installed'
        yield ("city", "workers"), what, "pip install 'cityloop[scaled]'"


def _check_twin(twin: Twin) -> Iterator[_Told]:
    if twin.begins.tzinfo is None:
        yield (
            ("twin", "begins"),
            "twin.begins has no time zone",
            f"write e.g. {twin.begins:%Y-%m-%dT%H:%M:%S}+08:00",
        )
    yield from _check_streets("twin", twin)


def _check_streets(section: str, streets: Twin | Network) -> Iterator[_Told]:
    if (streets.tables is None) == (streets.scenario is None):
        there = "neither is" if streets.tables is None else "both are"
        mend = f"give exactly one of {section}.tables and {section}.scenario"
        yield (section,), f"{section}.tables or {section}.scenario: {there} given", mend


def _check_kind(sections: Mapping[str, Any], raw: Mapping[str, Any]) -> Iterator[_Told]:
    """A city has a twin, or sources that speak for it."""
    network = sections.get("network")
    if network is not None:
        yield from _check_streets("network", network)
    if "twin" not in raw and not raw.get("sources"):
        what = "neither a [twin] nor a source: nothing would ever be heard of this city"
        yield ("sources",), what, "add a [sources.NAME], or a [twin] that stands for the streets"
    if "twin" in raw and "network" in raw:
        yield ("network",), "[network] beside a [twin], which has one", "leave one of them out"


def _check_groups(groups: Mapping[str, list[str]]) -> Iterator[_Told]:
    seen: dict[str, str] = {}
    for group, junctions in groups.items():
        for row, junction in enumerate(junctions):
            if junction in seen:
                what = f"{junction} is in groups {seen[junction]} and {group}"
                yield ("groups", group, row), what, "leave it in one"
            seen.setdefault(junction, group)


def city_schema() -> str:
    """The JSON schema (2020-12) of ``city.toml``, for editors."""
    schema = msgspec.json.schema(Settings)
    told = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "city.toml",
        **schema,
    }
    return json.dumps(told, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
