"""What a temporal query asks for (4.11, 5.2.21): a window in time, and how it is to be told."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from cityloop.standards.cim.problems import Problem, bad_request
from cityloop.standards.cim.times import read_datetime

TemporalFormat: TypeAlias = Literal["normalised", "temporalValues", "aggregatedValues"]

TIME_PROPERTIES = ("observedAt", "createdAt", "modifiedAt", "deletedAt")
METHODS = ("totalCount", "distinctCount", "sum", "avg", "min", "max", "stddev", "sumsq")
_FORMATS: dict[str, TemporalFormat] = {
    "normalized": "normalised",
    "temporalValues": "temporalValues",
    "simplified": "temporalValues",
    "aggregatedValues": "aggregatedValues",
}
_OTHER_OPTIONS = frozenset({"sysAttrs"})
MOST_INSTANCES: Final = 10_000
"""Of an attribute, at most, with lastN."""
_DURATION = re.compile(
    r"P(?!$)(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?"
    r"(?:T(?!$)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?",
    re.ASCII,
).fullmatch
_UNITS_MS = (0, 0, 7 * 86_400_000, 86_400_000, 3_600_000, 60_000, 1_000)


@dataclass(frozen=True, slots=True)
class Period:
    """An ISO 8601 duration: whole months, then ms; both 0 is the whole window."""

    months: int = 0
    ms: int = 0


@dataclass(frozen=True, slots=True)
class TemporalQuery:
    """Instances with ``start`` <= time < ``end`` (ms, None: open), by the time ``time_property``.

    ``last_n``: of each attribute the latest so many. ``relation``: the word used, for answers that
    tell their range. ``methods`` and ``period`` matter for aggregatedValues alone.
    """

    relation: str = ""
    start: int | None = None
    end: int | None = None
    time_property: str = "observedAt"
    last_n: int | None = None
    format: TemporalFormat = "normalised"
    sys_attrs: bool = False
    methods: tuple[str, ...] = ()
    period: Period = Period()

    def covers(self, moment: int) -> bool:
        """Whether a time lies in the window."""
        return (self.start is None or moment >= self.start) and (
            self.end is None or moment < self.end
        )


def read_temporal_query(parameters: Mapping[str, Any], *, required: bool) -> TemporalQuery:
    """The temporal query of URL parameters, or of the members of a body; raises Problem.

    ``required``: a query of many entities has to say a ``timerel``.
    """
    start, end = _window(parameters, required)
    formatted, sys_attrs = _format(parameters)
    methods = _methods(parameters.get("aggrMethods"))
    if methods and "format" not in parameters and formatted == "normalised":
        formatted = "aggregatedValues"
    if formatted == "aggregatedValues" and not methods:
        raise bad_request("aggregatedValues needs aggrMethods: say which, such as avg,max")
    return TemporalQuery(
        relation=parameters.get("timerel") or "",
        start=start,
        end=end,
        time_property=_time_property(parameters),
        last_n=_last_n(parameters.get("lastN")),
        format=formatted,
        sys_attrs=sys_attrs,
        methods=methods,
        period=read_period(parameters.get("aggrPeriodDuration", "PT0S")),
    )


def _window(parameters: Mapping[str, Any], required: bool) -> tuple[int | None, int | None]:
    relation = parameters.get("timerel")
    if not relation:
        if required or parameters.get("timeAt"):
            raise bad_request("timerel is missing; write before, after or between")
        return None, None
    at = _moment(parameters, "timeAt")
    if relation == "after":
        return at, None
    if relation == "before":
        return None, at
    if relation == "between":
        end = _moment(parameters, "endTimeAt")
        if end < at:
            raise bad_request("endTimeAt lies before timeAt")
        return at, end
    raise bad_request(f"timerel is {relation!r}; write before, after or between")


def _moment(parameters: Mapping[str, Any], name: str) -> int:
    given = parameters.get(name)
    try:
        return read_datetime(given)
    except ValueError as error:
        raise bad_request(f"{name}: {error}") from error


def _time_property(parameters: Mapping[str, Any]) -> str:
    name = parameters.get("timeproperty") or "observedAt"
    if name not in TIME_PROPERTIES:
        raise bad_request(f"timeproperty is {name!r}; write one of {', '.join(TIME_PROPERTIES)}")
    return str(name)


def _last_n(given: Any) -> int | None:
    if given is None or given == "":
        return None
    text = given if isinstance(given, str) else repr(given)
    if not (text.isascii() and text.isdigit() and len(text) < 8 and int(text) > 0):
        raise bad_request(f"lastN is {given!r}; write a positive whole number")
    if int(text) > MOST_INSTANCES:
        raise Problem("TooManyResults", f"lastN is {text}; at most {MOST_INSTANCES} are told")
    return int(text)


def _format(parameters: Mapping[str, Any]) -> tuple[TemporalFormat, bool]:
    given = parameters.get("options") or ""
    options = [each.strip() for each in given.split(",") if each.strip()]
    for option in options:
        if option not in _FORMATS and option not in _OTHER_OPTIONS:
            raise Problem("InvalidRequest", f"the option {option!r} is not known here")
    wanted = parameters.get("format") or next((each for each in options if each in _FORMATS), "")
    if wanted and wanted not in _FORMATS:
        raise Problem("InvalidRequest", f"the format {wanted!r} is none of {', '.join(_FORMATS)}")
    return _FORMATS.get(wanted, "normalised"), "sysAttrs" in options


def _methods(given: Any) -> tuple[str, ...]:
    if given is None or given == "":
        return ()
    names = given if isinstance(given, list) else str(given).split(",")
    unknown = [name for name in names if name not in METHODS]
    if unknown or not names:
        raise bad_request(f"aggrMethods is {given!r}; write some of {', '.join(METHODS)}")
    return tuple(names)


def read_period(text: Any) -> Period:
    """The duration of ``aggrPeriodDuration``; raises Problem."""
    match = _DURATION(text) if isinstance(text, str) else None
    if match is None:
        raise bad_request(f"aggrPeriodDuration is {text!r}; write an ISO 8601 duration: PT1H")
    years, months = int(match[1] or 0), int(match[2] or 0)
    parts = zip(match.groups()[2:], _UNITS_MS[2:], strict=True)
    period = Period(years * 12 + months, round(sum(float(n or 0) * unit for n, unit in parts)))
    if period.months and period.ms:
        raise bad_request(f"aggrPeriodDuration is {text!r}; write months, or days and hours alone")
    return period
