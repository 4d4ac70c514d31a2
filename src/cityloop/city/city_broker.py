"""The context broker of a running city: the city's entities are those of its default tenant."""

from collections.abc import Iterator
from math import cos, radians
from pathlib import Path

from cityloop.city.broker import Broker, CityStores
from cityloop.city.broker_stores import BrokerStores
from cityloop.city.city_log import CityLog
from cityloop.city.clock import wall_time
from cityloop.city.site import Site
from cityloop.city.speaker import Speaker
from cityloop.city.surface import MapData, Point
from cityloop.interconnection.broker.past_sights import PastSights
from cityloop.interconnection.broker.reach import reach_of
from cityloop.interconnection.tenant import open_context, open_log
from cityloop.standards.attributes import declared
from cityloop.standards.cim.observed import Known, entity_iri
from cityloop.twins.sumo.geojson_roads import METRES_PER_DEGREE

FOLDER = "broker"
"""Below the tenant's folder: what the broker keeps; its entities are a fold of the city's log."""


def open_city_broker(site: Site, hub: Path) -> Broker:
    """The broker of a city whose log exists; ``hub``: where that listens.

    Raises OSError and CorruptError.
    """
    folder = site.folder / FOLDER
    speak = Speaker(folder / "default" / "broker.db", declared())
    log = CityLog(site.place, hub, wall_time, speak)
    reader = open_log(site.place, wall_time, readonly=True)
    context = open_context(site.place, reader, readonly=True)
    known = Known(declared(), dict(_places(site)))
    sights = PastSights(open_log(site.place, wall_time, readonly=True), known)
    stores = CityStores(log, str(site.place), context, known, sights)
    given = site.settings.broker
    return Broker(
        BrokerStores(folder, wall_time),
        wall_time,
        given.at_hand(site.home),
        fetch=given.fetch,
        reach=reach_of(given.notify_to),
        city=stores,
    )


def has_subscribers(site: Site) -> bool:
    """Whether somebody has ever subscribed to anything."""
    return (site.folder / FOLDER / "default" / "subscriptions.db").exists()


def _places(site: Site) -> Iterator[tuple[str, tuple[float, float]]]:
    """Where devices, detectors and signals stand; none of a city that says not where it lies."""
    for it in site.placed:
        if it.longitude is not None and it.latitude is not None:
            yield entity_iri(it.type, it.id), (it.longitude, it.latitude)
    city_map = site.map_data()
    if site.settings.anchor is None:
        return
    for detector in city_map.detectors:
        yield detector.id, _degrees(_middle(detector.shape), city_map)
    for junction in city_map.junctions:
        name = f"urn:ngsi-ld:SignalController:{junction.id}"
        yield name, _degrees((junction.x, junction.y), city_map)


def _middle(shape: list[Point]) -> Point:
    return shape[len(shape) // 2]


def _degrees(point: Point, city_map: MapData) -> tuple[float, float]:
    """Longitude and latitude of a point of the network's plane."""
    origin = city_map.anchor
    north = origin.lat + point[1] / METRES_PER_DEGREE
    east = origin.lon + point[0] / (METRES_PER_DEGREE * cos(radians(origin.lat)))
    return round(east, 7), round(north, 7)
