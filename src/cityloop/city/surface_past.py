"""What a city shows of its past, as plain values ready for the wire (see ``city.surface``)."""

from typing import Literal

from msgspec import Struct

from cityloop.city.surface import DecisionRow, JunctionState, Measures, ModeName

RecordTable = Literal[
    "decisions", "measures", "detectors", "signals", "alarms", "shift-log", "observations"
]
"""What can be exported of the record."""


class RunRow(Struct, frozen=True):
    """A run that the record holds: its first and its last second of city time."""

    run: str
    begins: str
    ends: str


class Moment(Struct, frozen=True):
    """The city as it was; rows stand in the order of ``LiveState``.

    ``city_time``: of the newest reading then. ``decisions``: the newest up to then, newest first.
    ``measures``: the last ones kept by then, of at most 20 s before; None where none were.
    """

    run: str
    city_time: str
    junctions: list[JunctionState]
    vehicles_on: list[int]
    queued: list[int]
    modes: dict[str, dict[str, ModeName]]
    decisions: list[DecisionRow]
    measures: Measures | None


class StageChange(Struct, frozen=True):
    """From ``at`` on the cabinet showed this; codes as in ``JunctionState``."""

    at: str
    phase: int
    stage: int
    in_charge: int


class DetectorBars(Struct, frozen=True):
    """What one detector counted every ``step_s`` seconds from the timeline's begin on."""

    id: str
    step_s: int
    queued: list[int | None]
    vehicles: list[int | None]


class Timeline(Struct, frozen=True):
    """A junction over some minutes; the first of ``stages`` may have begun before ``begins``."""

    run: str
    begins: str
    ends: str
    stages: list[StageChange]
    detectors: list[DetectorBars]


class Trend(Struct, frozen=True):
    """The measures of a run over its time, in columns of equal length; see ``Measures``."""

    run: str
    city_time: list[str]
    att_loop_s: list[float | None]
    att_baseline_s: list[float | None]
    difference_s: list[float | None]
    interval_low_s: list[float | None]
    interval_high_s: list[float | None]
    delay_loop_s: list[float | None]
    delay_baseline_s: list[float | None]
    vehicles: list[int]
    waiting: list[int]
    finished: list[int]
    baseline_vehicles: list[int]
    baseline_finished: list[int]
