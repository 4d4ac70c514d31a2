"""GTFS-Realtime 2: vehicle positions, trip updates and alerts (gtfs.org/realtime/reference).

The wire format is protobuf; its reader is in the extra ``sources``.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from cityloop.kernel.clock import CityTime
from cityloop.kernel.errors import ConfigError, InputError
from cityloop.standards.attributes import declared
from cityloop.standards.feeds.documents import urn
from cityloop.standards.readings import ABSENT, Decoded, Faults, read_time, readings_of, shown

_OCCUPANCY_SHARE = 0.01
_ALERT_LENGTH = 2000
Cells = dict[str, object]


def read_gtfs_realtime(body: bytes) -> Decoded:
    """The entities of one FeedMessage.

    A row's time is its own timestamp, else the feed's. Raises InputError for what is no such
    message, or holds no time at all; ConfigError where the reader is not installed.
    """
    message = _parse(body)
    faults = Faults()
    found: dict[str, list[tuple[str, CityTime, Cells]]] = defaultdict(list)
    feed_time = message.header.timestamp
    for row, entity in enumerate(message.entity):
        try:
            for type_, own_id, time, cells in _facts(entity):
                at = read_time(time or feed_time)
                if not at:
                    raise InputError("neither it nor the feed has a timestamp")
                found[type_].append((urn(type_, own_id), at, cells))
        except InputError as error:
            faults.add(f"entity[{row}]", str(error), entity=shown(entity.id))
    return faults.of(
        [
            readings_of(
                declared()[type_],
                type_,
                [entity for entity, _, _ in rows],
                [at for _, at, _ in rows],
                _columns([cells for _, _, cells in rows]),
                faults,
                place=type_,
            )
            for type_, rows in found.items()
        ]
    )


def _parse(body: bytes) -> Any:
    try:
        from google.protobuf.message import DecodeError
        from google.transit.gtfs_realtime_pb2 import FeedMessage
    except ImportError:
        raise ConfigError(
            "GTFS-Realtime needs the extra 'sources': pip install 'cityloop[sources]'"
        ) from None
    message = FeedMessage()
    try:
        message.ParseFromString(body)
    except (DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"no GTFS-Realtime message: {error}") from None
    return message


def _facts(entity: Any) -> Iterator[tuple[str, object, int, Cells]]:
    """(type, own id, POSIX time or 0, cells) of all that one feed entity says."""
    if entity.is_deleted:
        return
    if entity.HasField("vehicle"):
        yield _vehicle(entity)
    if entity.HasField("trip_update"):
        yield from _arrivals(entity.trip_update)
    if entity.HasField("alert"):
        yield _alert(entity)


def _vehicle(entity: Any) -> tuple[str, object, int, Cells]:
    told = entity.vehicle
    cells: Cells = {"latitude": told.position.latitude, "longitude": told.position.longitude}
    if not told.HasField("position"):
        cells = {}
    for name, attribute in (("bearing", "heading"), ("speed", "speed")):
        if told.position.HasField(name):
            cells[attribute] = getattr(told.position, name)
    if told.position.HasField("odometer"):
        cells["mileageFromStart"] = told.position.odometer
    cells |= _texts(trip=told.trip.trip_id, route=told.trip.route_id, stop=told.stop_id)
    if told.HasField("current_status"):
        cells["stopStatus"] = told.current_status
    if told.HasField("occupancy_percentage"):
        cells["occupancy"] = told.occupancy_percentage * _OCCUPANCY_SHARE
    return "Vehicle", _text(told.vehicle.id or entity.id), told.timestamp, cells


def _texts(**texts: str | bytes) -> Cells:
    return {name: _text(text) for name, text in texts.items() if text}


def _text(text: str | bytes) -> str:
    """The reader gives bytes where a text is not UTF-8; raises InputError for those."""
    if isinstance(text, bytes):
        raise InputError(f"not UTF-8: {shown(text)}")
    return text


def _arrivals(update: Any) -> Iterator[tuple[str, object, int, Cells]]:
    """One row per stop that the update speaks of."""
    trip = update.trip
    parts = (trip.trip_id, trip.start_date, trip.start_time)
    name = ":".join(_text(part) for part in parts if part)
    if update.stop_time_update and not name:
        raise InputError("a trip update without a trip")
    for stop in update.stop_time_update:
        cells = _texts(trip=trip.trip_id, route=trip.route_id, stop=stop.stop_id)
        cells["skipped"] = stop.schedule_relationship == stop.SKIPPED
        for event, attribute in ((stop.arrival, "arrivesAt"), (stop.departure, "departsAt")):
            if event.HasField("time"):
                cells[attribute] = event.time * 1000
        known = [event for event in (stop.arrival, stop.departure) if event.HasField("delay")]
        if known:
            cells["delay"] = known[0].delay
        place = stop.stop_sequence if stop.HasField("stop_sequence") else _text(stop.stop_id)
        yield "ArrivalEstimation", f"{name}:{place}", update.timestamp, cells


def _alert(entity: Any) -> tuple[str, object, int, Cells]:
    alert = entity.alert
    informed = [told.route_id or told.stop_id or told.agency_id for told in alert.informed_entity]
    cells = _texts(
        header=_translated(alert.header_text),
        description=_translated(alert.description_text),
        informs=" ".join(_text(name) for name in informed if name),
    )
    cells["cause"] = alert.Cause.Name(alert.cause)
    cells["effect"] = alert.Effect.Name(alert.effect)
    if alert.HasField("severity_level"):
        cells["severity"] = alert.SeverityLevel.Name(alert.severity_level)
    if alert.active_period:
        period = alert.active_period[0]
        for name, attribute in (("start", "validFrom"), ("end", "validTo")):
            if period.HasField(name):
                cells[attribute] = getattr(period, name) * 1000
    return "ServiceAlert", _text(entity.id), 0, cells


def _translated(text: Any) -> str:
    """The first translation, cut to what an attribute may hold."""
    return _text(text.translation[0].text)[:_ALERT_LENGTH] if text.translation else ""


def _columns(rows: list[Cells]) -> dict[str, list[object]]:
    names = dict.fromkeys(name for cells in rows for name in cells)
    return {name: [cells.get(name, ABSENT) for cells in rows] for name in names}
