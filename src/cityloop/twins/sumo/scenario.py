"""What SUMO is to run: a network, its traffic and a stretch of time."""

from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree as ET

from cityloop.kernel.errors import ConfigError

HORIZON_S = 3600.0
SEGMENT_M = 98.0
"""Length of road that a mesoscopic simulation keeps as one; SUMO's default."""


@dataclass(frozen=True, slots=True)
class SumoScenario:
    """Files and seconds of SUMO's own clock; traffic planned from ``end_s`` on does not count.

    ``mesoscopic``: vehicles move from queue to queue, not metre by metre; for large cities.
    """

    net: Path
    routes: tuple[Path, ...]
    additional: tuple[Path, ...] = ()
    begin_s: float = 0.0
    end_s: float = HORIZON_S
    mesoscopic: bool = False

    @property
    def segment_m(self) -> float | None:
        """Into what parts roads can be sensed; None where at any metre."""
        return SEGMENT_M if self.mesoscopic else None

    def with_additional(self, *files: Path) -> "SumoScenario":
        """The same with further additional files, which SUMO reads last (programs, say)."""
        return replace(self, additional=(*self.additional, *files))


def read_scenario(text: str) -> SumoScenario:
    """``CITY.sumocfg``, or ``NET,ROUTES[,ADD…]``. A configuration with ``mesosim`` is mesoscopic.

    Without an end the horizon is 3,600 s from the first planned departure; without a configuration
    SUMO also begins then. ConfigError names the file that is missing or wrong.
    """
    if "," in text:
        names = [Path(part.strip()) for part in text.split(",")]
        routes = tuple(p for i, p in enumerate(names) if i == 1 or ".rou." in p.name)
        rest = tuple(p for p in names[1:] if p not in routes)
        return _checked(SumoScenario(names[0], routes, rest), begin=None, end=None)
    return _from_configuration(Path(text))


def read_streets(text: str) -> tuple[Path, tuple[Path, ...]]:
    """The network and the additional files of a scenario as ``read_scenario`` reads it, or of a
    SUMO network alone; raises ConfigError for what is missing.
    """
    if "," in text or text.endswith(".sumocfg"):
        scenario = read_scenario(text)
        return scenario.net, scenario.additional
    net = Path(text)
    if not net.is_file():
        raise ConfigError(f"{net} does not exist; check the path")
    return net, ()


def read_xml(path: Path) -> ET.Element:
    """The root of an XML file; ConfigError when it is missing or broken."""
    try:
        # Whoever may choose the scenario may as well choose the vehicles: it is trusted input.
        return ET.parse(path).getroot()  # noqa: S314
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except ET.ParseError as error:
        raise ConfigError(f"{path} is not well-formed XML: {error}") from error


def _from_configuration(path: Path) -> SumoScenario:
    root = read_xml(path)
    values = {
        alias: item.get("value", "")
        for item in root.iter()
        for alias in (_ALIASES.get(item.tag, item.tag),)
        if item.get("value") is not None
    }
    if "net-file" not in values:
        raise ConfigError(f"{path} names no net-file; give a .sumocfg or NET.xml,ROUTES.rou.xml")
    scenario = SumoScenario(
        _files(path, values["net-file"])[0],
        _files(path, values.get("route-files", "")),
        _files(path, values.get("additional-files", "")),
        mesoscopic=values.get("mesosim", "").lower() in _TRUE,
    )
    begin = seconds(values["begin"], path) if "begin" in values else 0.0
    end = seconds(values["end"], path) if "end" in values else None
    return _checked(scenario, begin, None if end is None or end < 0 else end)


_ALIASES = {
    "net": "net-file",
    "n": "net-file",
    "r": "route-files",
    "routes": "route-files",
    "a": "additional-files",
    "additional": "additional-files",
    "b": "begin",
    "e": "end",
}


_TRUE = frozenset({"true", "t", "yes", "y", "on", "1", "x"})
"""What SUMO takes for yes."""


def _files(configuration: Path, value: str) -> tuple[Path, ...]:
    parts = (part.strip() for part in value.split(","))
    return tuple(configuration.parent / part for part in parts if part)


def seconds(text: str, path: Path) -> float:
    """SUMO's time: seconds, or [days:]hours:minutes:seconds. ConfigError names ``path``."""
    try:
        total = 0.0
        for part, scale in zip(reversed(text.split(":")), (1, 60, 3600, 86400), strict=False):
            total += float(part) * scale
    except ValueError as error:
        raise ConfigError(f"{path}: {text!r} is no time; write seconds or HH:MM:SS") from error
    return total


def _checked(scenario: SumoScenario, begin: float | None, end: float | None) -> SumoScenario:
    for file in (scenario.net, *scenario.routes, *scenario.additional):
        if not file.is_file():
            raise ConfigError(f"{file} does not exist; check the path in the scenario")
    if not scenario.routes:
        raise ConfigError(f"{scenario.net} comes without routes; name a .rou.xml file")
    if begin is not None and end is not None:
        return replace(scenario, begin_s=begin, end_s=end)
    first = _first_departure_s(scenario)
    started = begin if begin is not None else float(int(first))
    return replace(scenario, begin_s=started, end_s=end if end is not None else first + HORIZON_S)


def _first_departure_s(scenario: SumoScenario) -> float:
    found = [
        seconds(item.get("depart") or item.get("begin") or "0", path)
        for path in scenario.routes
        for item in read_xml(path)
        if item.tag in ("vehicle", "trip", "flow")
    ]
    if not found:
        raise ConfigError(f"{scenario.routes[0]} holds no vehicle, trip or flow")
    return min(found)
