"""Where on Earth a SUMO network lies, by what it says of its own projection."""

from math import cos, radians
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, iterparse

from cityloop.kernel.errors import ConfigError
from cityloop.twins.sumo.geojson_roads import METRES_PER_DEGREE, Point


def net_origin(net: Path) -> Point | None:
    """Latitude and longitude of the plane's origin; None where the network has no projection.

    Reckoned from the corners that the network states in degrees and in metres, so right to some
    metres near them, but blind to a plane that is turned against north.
    """
    location = _location(net)
    if location is None or location.get("projParameter", "!") in ("!", "-"):
        return None
    west, south, _, north = _numbers(location.get("origBoundary", ""))
    x, y, *_ = _numbers(location.get("convBoundary", ""))
    if not (-180 <= west <= 180 and -90 <= south <= north <= 90):
        return None
    middle = cos(radians((south + north) / 2))
    return south - y / METRES_PER_DEGREE, west - x / (METRES_PER_DEGREE * middle)


def _location(net: Path) -> Element | None:
    try:
        with net.open("rb") as stream:
            # Whoever may choose the streets may as well choose the traffic: it is trusted input.
            for _, element in iterparse(stream):  # noqa: S314
                if element.tag == "location":
                    return element
                if element.tag == "edge":
                    return None
    except (OSError, ParseError) as error:
        raise ConfigError(f"cannot read {net}: {error}; give a SUMO network") from error
    return None


def _numbers(text: str) -> list[float]:
    parts = [float(part) for part in text.split(",") if part]
    return parts if len(parts) == 4 else [float("nan")] * 4
