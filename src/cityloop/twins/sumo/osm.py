"""A network out of an OpenStreetMap file, offline, by SUMO's own ``netconvert``."""

from pathlib import Path
from xml.etree.ElementTree import ParseError, iterparse

from cityloop.kernel.errors import MistakeError
from cityloop.twins.sumo.plain import netconvert

_OPTIONS = (
    *("--geometry.remove", "--roundabouts.guess", "--ramps.guess", "--junctions.join"),
    *("--tls.discard-simple", "--tls.join", "--tls.default-type", "static"),
    *("--keep-edges.by-vclass", "passenger", "--keep-edges.components", "1"),
    *("--no-turnarounds.except-deadend", "--osm.turn-lanes", "--osm.sidewalks", "--osm.crossings"),
    *("--output.street-names", "--remove-edges.isolated"),
)


def convert_osm(osm: Path, net: Path) -> tuple[float, float]:
    """Make ``net`` of the streets for cars in ``osm``; latitude and longitude of its origin.

    The plane is azimuthal equidistant around the middle of the file (true to scale near it and
    turned against nothing, where UTM is turned by up to some degrees). Signals are where the map
    has them. Raises ConfigError.
    """
    latitude, longitude = _middle(osm)
    plane = f"+proj=aeqd +lat_0={latitude:.7f} +lon_0={longitude:.7f} +datum=WGS84 +units=m"
    netconvert(["--osm-files", str(osm), "--proj", plane, *_OPTIONS, "--no-warnings"], net)
    return latitude, longitude


def _middle(osm: Path) -> tuple[float, float]:
    """The middle of all nodes, degrees."""
    south, west, north, east = 90.0, 180.0, -90.0, -180.0
    try:
        with osm.open("rb") as stream:
            # Whoever may choose the streets may as well choose the traffic: it is trusted input.
            for _, element in iterparse(stream):  # noqa: S314
                if element.tag == "node" and element.get("lat"):
                    y, x = float(element.get("lat", "")), float(element.get("lon", ""))
                    south, north = min(south, y), max(north, y)
                    west, east = min(west, x), max(east, x)
                element.clear()
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
        raise MistakeError(osm, None, what, "check the path") from error
    except ParseError as error:
        what = f"this is no XML: {error}"
        raise MistakeError(osm, error.position[0], what, "export it as OSM XML (.osm)") from error
    except ValueError as error:
        what = f"a node without a place: {error}"
        raise MistakeError(osm, None, what, "export it anew") from error
    if south > north:
        mend = "export the area as OSM XML (.osm), not as PBF"
        raise MistakeError(osm, None, "there is no node of a map in it", mend)
    return (south + north) / 2, (west + east) / 2
