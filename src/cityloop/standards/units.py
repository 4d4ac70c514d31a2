"""Units by their UN/CEFACT code (Recommendation 20, as NGSI-LD's ``unitCode``), and conversion.

Only units of the same kind of quantity convert: a share of volume (ppm) says nothing of a mass
per volume (µg/m³) unless the gas, its temperature and pressure are known, so that is refused.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cityloop.kernel.errors import InputError

Floats = npt.NDArray[np.float64]


class Unit(NamedTuple):
    """``value × factor + offset`` is the value in the quantity's SI unit."""

    quantity: str
    factor: float
    offset: float = 0.0


def _units(quantity: str, **factors: float) -> dict[str, Unit]:
    return {code.lstrip("_"): Unit(quantity, factor) for code, factor in factors.items()}


UNITS: Mapping[str, Unit] = MappingProxyType(
    {
        "CEL": Unit("temperature", 1.0, 273.15),
        "FAH": Unit("temperature", 5 / 9, 459.67 * 5 / 9),
        "KEL": Unit("temperature", 1.0),
        **_units("share", C62=1.0, P1=0.01, _59=1e-6, _61=1e-9),
        **_units("speed", MTS=1.0, KMH=1 / 3.6, KNT=1852 / 3600, HM=1609.344 / 3600),
        **_units("length", MTR=1.0, KMT=1000.0, CMT=0.01, MMT=0.001, FOT=0.3048, INH=0.0254),
        **_units("length", SMI=1609.344, _4H=1e-6),
        **_units("pressure", PAL=1.0, A97=100.0, MBR=100.0, KPA=1000.0, BAR=1e5, PS=6894.757293168),
        **_units("mass per volume", GQ=1e-9, GP=1e-6),
        **_units("time", SEC=1.0, C26=0.001, MIN=60.0, HUR=3600.0, DAY=86400.0),
        **_units("angle", DD=np.pi / 180, C81=1.0),
        **_units("rain", H67=1e-3 / 3600),
        **_units("volume", MTQ=1.0, LTR=0.001, MLT=1e-6),
        **_units("flow", MQS=1.0, MQH=1 / 3600, G51=0.001, L2=0.001 / 60),
        **_units("mass", KGM=1.0, GRM=0.001, TNE=1000.0),
        **_units("power", WTT=1.0, KWT=1000.0, MAW=1e6),
        **_units("energy", JOU=1.0, KJO=1000.0, WHR=3600.0, KWH=3.6e6, MWH=3.6e9),
        **_units("irradiance", D54=1.0),
        **_units("illuminance", LUX=1.0),
        **_units("voltage", VLT=1.0),
        **_units("current", AMP=1.0),
        **_units("frequency", HTZ=1.0, KHZ=1000.0),
        **_units("sound level", _2N=1.0),
        **_units("acidity", Q30=1.0),
    }
)
"""Code → unit. A code that is not here converts to itself only."""

_SYMBOLS: Mapping[str, str] = MappingProxyType(
    {
        "°c": "CEL", "c": "CEL", "degc": "CEL", "°f": "FAH", "f": "FAH", "k": "KEL",
        "%": "P1", "1": "C62", "": "C62", "ppm": "59", "ppb": "61",
        "m/s": "MTS", "ms": "C26", "km/h": "KMH", "kmh": "KMH", "kn": "KNT", "kt": "KNT",
        "mph": "HM", "mp/h": "HM", "m": "MTR", "km": "KMT", "cm": "CMT", "mm": "MMT",
        "ft": "FOT", "inch": "INH", "in": "INH", "mi": "SMI", "µm": "4H",
        "pa": "PAL", "hpa": "A97", "mbar": "MBR", "mb": "MBR", "kpa": "KPA", "bar": "BAR",
        "µg/m³": "GQ", "ug/m3": "GQ", "µg/m3": "GQ", "mg/m³": "GP", "mg/m3": "GP",
        "s": "SEC", "min": "MIN", "h": "HUR", "d": "DAY", "°": "DD", "deg": "DD", "rad": "C81",
        "mm/h": "H67", "m³": "MTQ", "m3": "MTQ", "l": "LTR", "ml": "MLT",
        "m³/s": "MQS", "m3/s": "MQS", "m³/h": "MQH", "m3/h": "MQH", "l/s": "G51", "l/min": "L2",
        "kg": "KGM", "g": "GRM", "t": "TNE", "w": "WTT", "kw": "KWT", "MW": "MAW",
        "j": "JOU", "kj": "KJO", "wh": "WHR", "kwh": "KWH", "MWh": "MWH",
        "w/m²": "D54", "w/m2": "D54", "lx": "LUX", "lux": "LUX", "v": "VLT", "a": "AMP",
        "hz": "HTZ", "khz": "KHZ", "db": "2N", "ph": "Q30",
    }
)  # fmt: skip


def unit_code(symbol: str) -> str:
    """The code that a feed means by ``symbol`` ("km/h", "°C", or a code itself).

    Raises InputError for one that is not known.
    """
    text = symbol.strip().replace("\u03bc", "\u00b5")
    if text in UNITS:
        return text
    # Exactly first: mW is no MW.
    code = _SYMBOLS.get(text) or _SYMBOLS.get(text.lower())
    if code is None:
        raise InputError(f"unit {symbol[:40]!r} is not known; give its UN/CEFACT code")
    return code


def convert(values: Floats, given: str, declared: str) -> Floats:
    """``values``, shape (n,), from unit code ``given`` to unit code ``declared``.

    Raises InputError where the two measure different things.
    """
    if given == declared:
        return values
    a, b = UNITS.get(given), UNITS.get(declared)
    if a is None or b is None or a.quantity != b.quantity:
        raise InputError(f"unit {given} does not convert to {declared or 'a value without unit'}")
    # What is too large for a number becomes infinite, and so out of any range.
    with np.errstate(over="ignore"):
        return (values * a.factor + (a.offset - b.offset)) / b.factor
