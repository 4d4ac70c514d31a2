"""What a running city shows to those who look at it, as plain values ready for the wire.

It stands here and not in ``web`` because the city fills it and ``web`` only carries it. Lengths are
metres of the network's own plane (x east, y north), durations seconds, latencies milliseconds, city
times ISO 8601 with offset. ``None`` means "not known yet", never zero.
"""

from datetime import date
from typing import Literal

from msgspec import Struct

from cityloop.standards.plans import CalendarEntry, JunctionPlan, TimePlan
from cityloop.standards.retention import Keep

ModeName = Literal["observe", "shadow", "advise", "act"]
Operation = Literal["hold", "lock_out", "flash", "release"]
LoopState = Literal["ok", "failing", "late", "off"]
DriveAction = Literal["speed", "pause", "resume", "step"]
Point = tuple[float, float]


class Why(Struct, frozen=True):
    """A reason for programs: which kind, and the numbers that made it."""

    code: str
    numbers: dict[str, float | int | str | None]


class Summary(Struct, frozen=True):
    """The run in one line of figures; the fields are the contract of ``GET /api/summary``."""

    city: str
    run: str
    city_time: str | None
    signals: int
    vehicles: int
    observations_total: int
    rejected_total: int
    decisions_total: int
    refused_total: int
    fallbacks_total: int
    att_loop_s: float | None
    att_baseline_s: float | None
    loop_latency_p50_ms: float | None
    loop_latency_p99_ms: float | None


class HealthPart(Struct, frozen=True):
    """One part of the city (hub, twin, baseline, log).

    ``live``: its process runs. ``ready``: it does its work. ``reason``: why not and what to do;
    empty when both hold.
    """

    name: str
    live: bool
    ready: bool
    reason: str = ""


class Health(Struct, frozen=True):
    """The city is live or ready when every part is."""

    parts: list[HealthPart]


class Anchor(Struct, frozen=True):
    """Where the network's origin lies on Earth (WGS 84), for display."""

    lat: float
    lon: float
    approximate: bool
    note: str


class MapLink(Struct, frozen=True):
    """One signalled link: its incoming lane and SUMO's direction letter (s, l, r, t)."""

    lane: str
    direction: str


class MapJunction(Struct, frozen=True):
    """A signalised junction; ``phases`` are SUMO state strings, one letter per link."""

    id: str
    name: str
    x: float
    y: float
    phases: list[str]
    links: list[MapLink]


class MapRoad(Struct, frozen=True):
    """A road's centre line."""

    id: str
    shape: list[Point]
    lanes: int


class MapDetector(Struct, frozen=True):
    """A lane-area detector from its upstream to its downstream end.

    ``junction`` is the id of the junction it watches for; ``lane`` the lane it lies on.
    """

    id: str
    junction: str
    lane: str
    shape: list[Point]


class MapGroup(Struct, frozen=True):
    """Junctions that share one mode."""

    name: str
    junctions: list[str]


class MapLoop(Struct, frozen=True):
    """A loop and the groups of junctions it may act on."""

    name: str
    groups: list[MapGroup]


class MapDevice(Struct, frozen=True):
    """A registered device that says where it stands."""

    id: str
    type: str
    owner: str
    x: float
    y: float


class MapData(Struct, frozen=True):
    """What does not change while the city runs. Row orders bind ``LiveState``.

    ``time_zone``: IANA name, as "Asia/Shanghai". ``twin``: whether a simulator stands for the
    streets; a city without one runs on the clock on the wall and has no baseline and no cabinets.
    """

    city: str
    time_zone: str
    anchor: Anchor
    junctions: list[MapJunction]
    roads: list[MapRoad]
    detectors: list[MapDetector]
    loops: list[MapLoop]
    devices: list[MapDevice] = []
    twin: bool = True


class ShadowResult(Struct, frozen=True):
    """What a loop decided on a group while it did not act, since the trial began.

    ``refused``: of its proposals, by the guard; ``agreement``: the share of proposals that wanted
    what was running; ``allows_act``: whether it fulfils the rule of this city, and ``why``;
    ``missing``: what it lacks, for programs.
    """

    since: str
    ticks: int
    proposals: int
    refused: int
    failures: int
    agreement: float | None
    allows_act: bool
    why: str
    missing: list[Why] = []


class LoopGroup(Struct, frozen=True):
    """Junctions that share one mode of a loop."""

    name: str
    junctions: list[str]
    mode: ModeName
    shadow: ShadowResult | None


class Gain(Struct, frozen=True):
    """Mean travel time with the loop minus that of the baseline at the same second, so negative is
    better, with its 95 % interval.
    """

    difference_s: float
    low_s: float | None
    high_s: float | None


class Watched(Struct, frozen=True):
    """What a loop watches of every entity of one type."""

    type: str
    attributes: list[str]


class LoopRow(Struct, frozen=True):
    """A loop at work. ``versions``: those installed, newest first; ``version``: which one runs.

    ``ticks``, ``failures`` and latencies are of this version since the hub started; a latency is
    the time one tick takes. ``gain``: measured in this run where the loop acts on every group and a
    baseline twin runs beside it, else None.
    """

    name: str
    version: str
    versions: list[str]
    state: LoopState
    reason: str
    ticks: int
    failures: int
    latency_p50_ms: float | None
    latency_p99_ms: float | None
    groups: list[LoopGroup]
    gain: Gain | None = None
    watches: list[Watched] = []


class RetentionRow(Struct, frozen=True):
    """How long one entity type is kept: whole for ``raw``, then one observation of each entity in
    ``every_s`` seconds, erased after ``kept``. ``changed_by``: None where it is as declared.
    """

    type: str
    raw: str
    every_s: float | None
    kept: str
    declared: Keep
    changed_by: str | None


class PlansTold(Struct, frozen=True):
    """The table of time-of-day plans.

    ``number``: which change of it, 0 what the settings say; ``in_force``: the plan that the
    calendar calls now. ``default``: what each junction runs where no plan is called.
    """

    number: int
    at: str | None
    by: str
    in_force: str | None
    default: list[JunctionPlan]
    plans: list[TimePlan]


class CalendarTold(Struct, frozen=True):
    """The calendar of plans, in the city's own time; the first entry that holds is called."""

    number: int
    at: str | None
    by: str
    time_zone: str
    holidays: list[date]
    entries: list[CalendarEntry]


class JunctionState(Struct, frozen=True, array_like=True):
    """What a cabinet last reported, on the wire ``[phase, stage, stage_age_s, in_charge]``.

    ``stage``: 0 green, 1 yellow, 2 all-red, 3 flash. ``in_charge``: 0 local plan, 1 centre,
    2 operator. ``phase``: what is green, in clearance what is to come, -2 in flash.
    """

    phase: int
    stage: int
    stage_age_s: float
    in_charge: int


class Measures(Struct, frozen=True):
    """Ground truth of the loop's twin and of the baseline at the same second of the same run.

    ``difference_s`` is loop minus baseline, so negative is better; the interval is its 95 % one.
    ``vehicles``: in the network; ``waiting``: outside, in the entry queues; ``finished``: arrived.
    Delay is travel time less what the route takes on an empty road, and 0 while a vehicle has not
    yet been under way for so long; means over the same vehicles as the travel times.
    """

    att_loop_s: float | None
    att_baseline_s: float | None
    difference_s: float | None
    interval_low_s: float | None
    interval_high_s: float | None
    vehicles: int
    waiting: int
    finished: int
    baseline_vehicles: int
    baseline_finished: int
    delay_loop_s: float | None = None
    delay_baseline_s: float | None = None


class Counters(Struct, frozen=True):
    """Totals since the log began, and how fast things go now (wall time).

    ``loop_latency``: from a frame's arrival to its orders; ``act_latency``: to the commit that
    covers frame and decision, after which an order to a real actuator would leave.
    """

    observations_total: int
    rejected_total: int
    decisions_total: int
    refused_total: int
    fallbacks_total: int
    observations_per_s: float
    loop_latency_p50_ms: float | None
    loop_latency_p99_ms: float | None
    act_latency_p99_ms: float | None = None


class Shown(Struct, frozen=True):
    """What the hub knows of ``LiveState``; the web adds ground truth."""

    city_time: str | None
    run: str
    junctions: list[JunctionState]
    vehicles_on: list[int]
    queued: list[int]
    counters: Counters
    modes: dict[str, dict[str, str]]


class LiveState(Struct, frozen=True):
    """The city at one instant.

    ``seq`` rises with every change of the picture, within the life of the reading process.
    ``speed``: city seconds per wall second, 0 as fast as it goes. ``junctions`` stands in the order
    of ``MapData.junctions``; ``vehicles_on`` and ``queued`` in that of ``MapData.detectors``.
    ``modes``: loop → group → mode.
    """

    seq: int
    city_time: str | None
    run: str
    speed: float
    paused: bool
    hub_alive: bool
    baseline_alive: bool
    junctions: list[JunctionState]
    vehicles_on: list[int]
    queued: list[int]
    measures: Measures
    counters: Counters
    modes: dict[str, dict[str, ModeName]]


class Vehicles(Struct, frozen=True):
    """Every vehicle of the loop's twin at one instant; columns of equal length.

    ``ids`` are stable within a run. ``x``, ``y`` in metres of the network's plane, ``angle`` in
    degrees clockwise from north, ``speed`` in m/s.
    """

    run: str
    city_time: str
    ids: list[int]
    x: list[float]
    y: list[float]
    angle: list[float]
    speed: list[float]


SourceState = Literal["ok", "waiting", "failing", "off"]


class SourceRow(Struct, frozen=True):
    """A way in, and how it does.

    ``reason``: why it is not ok, and what to do. ``entities``: devices declared for it, or heard
    where a pattern declares them. ``rate_per_s``: accepted rows of the last seconds. ``accepted``
    and ``rejected``: since the log began; ``dropped``: lost before they reached us, since the
    intake started. ``lag_s``: from observation to arrival, of the newest.
    """

    name: str
    kind: str
    state: SourceState
    reason: str
    entities: int
    rate_per_s: float
    last_seen: str | None
    accepted_total: int
    rejected_total: int
    rejected_by_reason: dict[str, int]
    dropped_total: int
    lag_s: float | None


class RejectRow(Struct, frozen=True):
    """Something that a gate refused; ``at``: city time, None where it had none of this era."""

    number: int
    at: str | None
    source: str
    run: str
    entity: str
    attribute: str
    value: str
    reason: str


class DecisionRow(Struct, frozen=True):
    """A recorded decision.

    ``number`` rises by one per row of the record and survives restarts. When something becomes of
    a decision later (confirmed, rejected, expired), it is recorded again: same ``id``, new number.
    ``action``: set_phase, hold, lock_out, flash or release; ``phase``: index, for set_phase.
    ``verdict``: "passed" or the code word of what became of it instead; ``reason``: the sentence a
    person reads, with the guard's own where it refused (then ``refused``); ``why`` the same for
    programs, None in records older than it.
    """

    number: int
    id: str
    city_time: str
    loop: str
    junction: str
    action: str
    phase: int | None
    verdict: str
    refused: bool
    mode: ModeName
    reason: str
    waiting_for_confirmation: bool = False
    why: Why | None = None
