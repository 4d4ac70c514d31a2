"""GeoJSON features (RFC 7946) as readings, by the same map as tables."""

from cityloop.kernel.clock import CityTime
from cityloop.kernel.errors import InputError
from cityloop.standards.feeds.documents import Object, is_object, objects_at, read_json, rowed
from cityloop.standards.feeds.tables import TableMap, entity_id
from cityloop.standards.readings import ABSENT, Decoded, Faults, read_time, readings_of

_POINT = ("longitude", "latitude")


def read_geojson(body: bytes, table_map: TableMap) -> Decoded:
    """The features of a FeatureCollection (RFC 7946): properties are columns, a point's place
    becomes ``longitude`` and ``latitude``; the entity column may be the feature's own ``id``.

    Raises InputError for what is no FeatureCollection.
    """
    faults = Faults()
    items = [_flat(feature) for feature in objects_at(read_json(body), "features", faults)]

    def entity_of(item: Object) -> str:
        entity = entity_id(item.get(table_map.entity, item.get("id")), table_map.type)
        if not entity:
            raise InputError(f"no id: neither property {table_map.entity!r} nor id")
        return entity

    found = rowed(items, "features", faults, entity_of, lambda item: _moment(item, table_map))
    if not found.items:
        return faults.of(())
    present = list(dict.fromkeys(name for item in found.items for name in item))
    columns = {
        attribute: found.cells({name: attribute}).get(attribute, [])
        for attribute, name in table_map.columns(present, faults, "features").items()
    }
    part = readings_of(
        table_map.declared,
        table_map.type,
        found.entities,
        found.times,
        {attribute: [ABSENT if c is None else c for c in v] for attribute, v in columns.items()},
        faults,
        units=table_map.units,
        place="features",
    )
    return faults.of([part])


def _flat(feature: Object) -> Object:
    properties, geometry = feature.get("properties"), feature.get("geometry")
    item = dict(properties) if is_object(properties) else {}
    if "id" in feature:
        item.setdefault("id", feature["id"])
    if is_object(geometry) and geometry.get("type") == "Point":
        place = geometry.get("coordinates")
        if isinstance(place, list):
            item |= dict(zip(_POINT, place, strict=False))
    return item


def _moment(item: Object, table_map: TableMap) -> CityTime:
    told = item.get(table_map.observed_at)
    if table_map.time_unit == "ms" and isinstance(told, int) and not isinstance(told, bool):
        return read_time(told / 1000) if abs(told) < 2**63 else read_time(None)
    return read_time(told)
