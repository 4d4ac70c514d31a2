"""A city folder out of what people have: a street map, a SUMO network, tables of plans, detectors.

All is made in a draft beside the folder's ``network`` and put there in one move, so that a failed
import leaves nothing, and what is there is never changed.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from cityloop.city.config import city_schema
from cityloop.city.detector_table import (
    doubtful_svg,
    match_detectors,
    matched_csv,
    read_detectors,
)
from cityloop.city.newcity import (
    SCHEMA,
    SETTINGS,
    STARTER_TWIN,
    Names,
    Origin,
    settings_text,
    write_new,
)
from cityloop.kernel.errors import ConfigError, MistakeError
from cityloop.twins.sumo.geojson_roads import convert_geojson
from cityloop.twins.sumo.netfile import read_net
from cityloop.twins.sumo.network import read_network
from cityloop.twins.sumo.osm import convert_osm
from cityloop.twins.sumo.place import net_origin
from cityloop.twins.sumo.plan_table import write_plans
from cityloop.twins.sumo.scenario import SumoScenario, read_scenario
from cityloop.twins.sumo.trips import write_trips

FOLDER = "network"
NET, TRAFFIC, PLANS = "net.net.xml", "traffic.rou.xml", "plans.add.xml"
DETECTORS, PICTURE, NOTE = "detectors.csv", "doubtful.svg", "SOURCE.md"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is imported; exactly one of ``osm``, ``sumo`` and ``geojson``.

    ``sumo``: a network, or a .sumocfg with all it names. ``routes``: SUMO's; none: made up, so many
    ``vehicles_per_hour``.
    """

    osm: Path | None = None
    sumo: Path | None = None
    geojson: Path | None = None
    routes: Sequence[Path] = ()
    plans: Path | None = None
    detectors: Path | None = None
    vehicles_per_hour: float | None = None
    seed: int = 1

    @property
    def source(self) -> Path:
        """The one file that brings the network."""
        given = [path for path in (self.osm, self.sumo, self.geojson) if path is not None]
        if len(given) != 1:
            raise ConfigError("give exactly one of --osm, --sumo and --geojson")
        for path in (*given, *self.routes, self.plans, self.detectors):
            if path is not None and not path.is_file():
                raise MistakeError(path, None, "no such file", "check the path")
        return given[0]


@dataclass(slots=True)
class Done:
    """What an import made. ``told``: lines for the person who asked."""

    net: Path
    routes: list[Path] = field(default_factory=list)
    additional: list[Path] = field(default_factory=list)
    origin: Origin | None = None
    told: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)

    @property
    def files(self) -> list[Path]:
        """As a scenario names them."""
        return [self.net, *self.routes, *self.additional]


def import_city(folder: Path, names: Names, wanted: Wanted) -> list[str]:
    """Make ``folder`` a city of what is ``wanted``; lines that tell what was made.

    Raises ConfigError where something is wrong, or a network is there already.
    """
    source = wanted.source
    target = folder / FOLDER
    if target.exists():
        raise ConfigError(f"{target} is there already; move it away, or import into another folder")
    _make(folder)
    with TemporaryDirectory(prefix=".import-", dir=folder) as draft:
        done = _network(wanted, source, Path(draft))
        _plans(wanted, done, Path(draft))
        _traffic(wanted, done, Path(draft))
        _detectors(wanted, done, Path(draft))
        _check(done)
        (Path(draft) / NOTE).write_text(_note(done), encoding="utf-8")
        _publish(Path(draft), target)
    _settings(folder, names, done)
    return done.told


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot make {folder}: {error.strerror}; choose another") from error


def _network(wanted: Wanted, source: Path, draft: Path) -> Done:
    net = draft / NET
    if wanted.osm is not None:
        latitude, longitude = convert_osm(source, net)
    elif wanted.geojson is not None:
        with TemporaryDirectory() as plain:
            latitude, longitude = convert_geojson(source, net, Path(plain))
    else:
        return _of_sumo(wanted, source, draft)
    origin = Origin(latitude, longitude, False, f"the middle of {source.name}")
    return Done(net, origin=origin, sources=[f"- the streets: `{source.name}`"])


def _of_sumo(wanted: Wanted, source: Path, draft: Path) -> Done:
    if source.suffix == ".sumocfg":
        scenario = read_scenario(str(source))
    else:
        scenario = SumoScenario(source, tuple(wanted.routes))
    copied = {
        path: Path(shutil.copy(path, draft / path.name))
        for path in (scenario.net, *scenario.routes, *scenario.additional)
    }
    place = net_origin(scenario.net)
    done = Done(
        copied[scenario.net],
        [copied[path] for path in scenario.routes],
        [copied[path] for path in scenario.additional],
        Origin(*place, True, f"as {source.name} was projected") if place else None,
        sources=[f"- network, traffic and plans: `{source.name}` and the files it names"],
    )
    if scenario.mesoscopic:
        done.told.append(
            f"{source.name} is mesoscopic, which its copied files do not say; to keep it so, name"
            " a .sumocfg with mesosim under [twin]: scenario"
        )
    return done


def _plans(wanted: Wanted, done: Done, draft: Path) -> None:
    if wanted.plans is not None:
        out = draft / PLANS
        count = write_plans(wanted.plans, done.net, out)
        done.additional.append(out)
        done.told.append(f"{count} signal plans out of {wanted.plans.name}")
        done.sources.append(f"- {count} signal plans: `{wanted.plans.name}`")


def _traffic(wanted: Wanted, done: Done, draft: Path) -> None:
    for path in wanted.routes:
        if draft / path.name not in done.routes:
            done.routes.append(Path(shutil.copy(path, draft / path.name)))
            done.sources.append(f"- traffic: `{path.name}`")
    if not done.routes:
        out = draft / TRAFFIC
        figure = wanted.vehicles_per_hour
        count = write_trips(
            done.net, out, seed=wanted.seed, seconds=3600.0, vehicles_per_hour=figure
        )
        done.routes.append(out)
        done.told.append(f"{count} made-up vehicles in an hour: no traffic was given")
        done.sources.append(
            f"- traffic: **synthetic**, {count} vehicles in an hour between the ends of roads, "
            f"seed {wanted.seed}; it says nothing about real trips"
        )


def _detectors(wanted: Wanted, done: Done, draft: Path) -> None:
    if wanted.detectors is None:
        return
    if done.origin is None:
        raise ConfigError(
            f"{done.net.name} does not say where on Earth it lies, so detectors have no place on "
            "it; import it with its projection, or from --osm or --geojson"
        )
    detectors = read_detectors(wanted.detectors, (done.origin.latitude, done.origin.longitude))
    roads = read_net(done.net)
    network = read_network(done.net, additional=_with_plans(done))
    matched = match_detectors(detectors, roads, network)
    (draft / DETECTORS).write_text(matched_csv(matched), encoding="utf-8")
    doubtful = [it for it in matched if it.match.doubt]
    done.told.append(f"{len(matched) - len(doubtful)} of {len(matched)} detectors on their lane")
    if doubtful:
        (draft / PICTURE).write_text(doubtful_svg(matched, roads), encoding="utf-8")
        names = ", ".join(it.detector.name for it in doubtful[:8])
        done.told.append(f"look at {FOLDER}/{PICTURE}: doubtful are {names}")


def _with_plans(done: Done) -> list[Path]:
    return [path for path in done.additional if path.name.endswith(".add.xml")]


def _check(done: Done) -> None:
    """Raises ConfigError unless the network has a signal that can be run."""
    network = read_network(done.net, additional=_with_plans(done))
    signals, detectors = len(network.bank.junctions), len(network.detector_ids)
    done.told.insert(0, f"{signals} signals, {detectors} lane detectors")


def _note(done: Done) -> str:
    lines = "\n".join(done.sources)
    return f"# Source of this network\n\nMade by `cityloop import` of\n\n{lines}\n"


def _publish(draft: Path, target: Path) -> None:
    target.mkdir()
    for path in sorted(draft.iterdir()):
        path.rename(target / path.name)


def _settings(folder: Path, names: Names, done: Done) -> None:
    """Write city.toml, or renew one of ``init`` that nobody touched; else tell what to put in."""
    parts = ",".join(f"{FOLDER}/{path.name}" for path in done.files)
    twin = f'scenario = "{parts}"'
    text = settings_text(names, twin, done.origin)
    write_new(folder / SCHEMA, city_schema())
    path = folder / SETTINGS
    if write_new(path, text):
        done.told.append(f"wrote {path}")
    elif path.read_text(encoding="utf-8") == settings_text(names, STARTER_TWIN):
        path.write_text(text, encoding="utf-8")
        done.told.append(f"renewed {path}, which was as init wrote it")
    else:
        done.told.append(f"kept {path}; to run the new network put under [twin]: {twin}")
