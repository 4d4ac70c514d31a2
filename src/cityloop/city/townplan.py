"""The network as people see it: junctions, roads, detectors and groups for the map."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from math import hypot
from pathlib import Path

from cityloop.city.config import Anchor as Place
from cityloop.city.config import Settings
from cityloop.city.surface import (
    Anchor,
    MapData,
    MapDetector,
    MapDevice,
    MapGroup,
    MapJunction,
    MapLink,
    MapLoop,
    MapRoad,
    Point,
)
from cityloop.perception.devices import Device
from cityloop.safety.modes import ModeBook
from cityloop.standards.network import RoadNetwork
from cityloop.twins.sumo.geojson_roads import to_plane
from cityloop.twins.sumo.netfile import NetFile, read_net

_NOWHERE = Anchor(0.0, 0.0, approximate=True, note="no place on Earth is given")


def map_data(
    settings: Settings, network: RoadNetwork, net: Path | None, devices: Iterable[Device] = ()
) -> MapData:
    """What does not change while the city runs. Raises ConfigError when ``net`` cannot be read;
    without one there are no streets to show.
    """
    roads = NetFile({}, {}, {}, (), {}) if net is None else read_net(net)
    here = settings.anchor
    return MapData(
        city=settings.city.name,
        time_zone=settings.city.time_zone,
        anchor=Anchor(here.latitude, here.longitude, here.approximate, here.note)
        if here
        else _NOWHERE,
        junctions=[
            MapJunction(
                id=junction.id,
                name=junction.id.replace("_", " "),
                x=junction.x,
                y=junction.y,
                phases=[phase.state for phase in junction.phases],
                links=[MapLink(link.from_lane, link.direction) for link in junction.links],
            )
            for junction in network.bank.junctions
        ],
        roads=list(_roads(roads)),
        detectors=list(_detectors(network, roads)),
        loops=[MapLoop(name, _groups(settings, network)) for name in settings.loops],
        devices=list(_devices(devices, here)),
        twin=settings.twin is not None,
    )


def _devices(devices: Iterable[Device], here: Place | None) -> Iterator[MapDevice]:
    """Those that say where they stand, in a city that says where it lies."""
    for it in devices:
        if here and it.longitude is not None and it.latitude is not None:
            x, y = to_plane(it.longitude, it.latitude, (here.latitude, here.longitude))
            yield MapDevice(it.id, it.type, it.owner, round(x, 1), round(y, 1))


def _roads(net: NetFile) -> Iterator[MapRoad]:
    for edge in net.edges.values():
        lanes = [net.lanes[name] for name in edge.lanes if net.lanes[name].motor]
        if edge.function == "normal" and lanes:
            middle = lanes[len(lanes) // 2]
            yield MapRoad(edge.id, [_rounded(point) for point in middle.shape], len(lanes))


def _detectors(network: RoadNetwork, net: NetFile) -> Iterator[MapDetector]:
    owners = _owners(network)
    pieces = network.detectors
    for row, lane in enumerate(pieces.lanes):
        shape = net.lanes[lane].shape
        length = net.lanes[lane].length_m
        part = between(
            shape, float(pieces.start_m[row]) / length, float(pieces.end_m[row]) / length
        )
        yield MapDetector(pieces.ids.names[row], owners.get(row, ""), lane, part)


def _owners(network: RoadNetwork) -> Mapping[int, str]:
    """Detector row → the junction whose movements it feeds."""
    movements, rows, _ = network.feeds
    width = network.bank.shape[2]
    return {
        row: network.bank.junctions[movement // width].id
        for movement, row in zip(movements.tolist(), rows.tolist(), strict=True)
    }


def _groups(settings: Settings, network: RoadNetwork) -> list[MapGroup]:
    ids = [junction.id for junction in network.bank.junctions]
    book = ModeBook(network.bank.ids, settings.groups)
    return [MapGroup(name, [ids[row] for row in rows]) for name, rows in book.groups.items()]


def between(shape: Sequence[Point], start: float, end: float) -> list[Point]:
    """The part of a line between two shares (0 to 1) of its length."""
    lengths = [hypot(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(shape)]
    total = sum(lengths) or 1.0
    points = [_at(shape, lengths, start * total)]
    done = 0.0
    for length, point in zip(lengths, shape[1:], strict=True):
        done += length
        if start * total < done < end * total:
            points.append(_rounded(point))
    points.append(_at(shape, lengths, end * total))
    return points


def _at(shape: Sequence[Point], lengths: Sequence[float], distance: float) -> Point:
    for (a, b), length in zip(pairwise(shape), lengths, strict=True):
        if distance <= length and length > 0:
            share = distance / length
            return _rounded((a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])))
        distance -= length
    return _rounded(shape[-1])


def _rounded(point: Point) -> Point:
    return round(point[0], 1), round(point[1], 1)
