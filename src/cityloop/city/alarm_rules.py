"""What needs a person now: one rule after another, over arrays and figures, none with a memory.

Looked at about once a second of wall time, whatever the pace of the city.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from cityloop.kernel.clock import CityTime, WallTime, iso
from cityloop.kernel.frame import Bools, Frame
from cityloop.reaction.alarm_kinds import CITY, Datum, Severity
from cityloop.reaction.conditions import MANY, Condition
from cityloop.safety.envelope import FLASH, Stage
from cityloop.safety.leases import Lease
from cityloop.standards.network import Ints, RoadNetwork

FALLBACK_S = 60.0
HOLD_ENDS_S = 120.0
REFUSED_AT_LEAST, REFUSED_WITHIN_S = 20, 600.0
LATE_MS = 500.0
LOG_BEHIND_S = 5.0
BUS_BEHIND_S = 10.0
DISK_LOW_BYTES, DISK_LOW_SHARE = 1 << 30, 0.05
FAILING_LASTS_S = 30.0
FULL, LEAST_ROOM = 0.9, 5
_LOCAL = 0
_VITAL: Mapping[str, Severity] = {
    "hub": "critical",
    "twin": "critical",
    "intake": "critical",
    "baseline": "low",
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """A process that ended and does not live steadily yet. ``since``: of its first end, wall ms."""

    since: WallTime
    times: int


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """How a source does; ``state`` is "ok", "waiting", "failing" or "off"."""

    state: str
    reason: str = ""
    silent_s: float = 0.0


@dataclass(frozen=True, slots=True)
class LostTrace:
    """A trace that did not come back: the last stage that it ``passed``, the one that it is
    ``missing``, and since when people are to be told, wall ms."""

    passed: str
    missing: str
    waited_s: float
    since: WallTime


@dataclass(frozen=True, slots=True)
class BusState:
    """How the bus follows the log; ``age_s``: since when the log holds what the bus has not."""

    state: str = "ok"
    reason: str = ""
    age_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Machine:
    """How the machine that carries the city does. ``waiting`` and ``age_s`` are the log's queue,
    ``log_error`` why nothing is recorded, empty where it is; ``history_error`` likewise why what is
    recorded does not get into context and history."""

    troubles: Mapping[str, Trouble] = field(default_factory=dict)
    log_error: str = ""
    waiting: int = 0
    age_s: float = 0.0
    disk_free: int = 1 << 50
    disk_total: int = 1 << 50
    latency_p99_ms: float | None = None
    lost: LostTrace | None = None
    bus: BusState = BusState()
    history_error: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Street:
    """What the hub knows of signals and traffic at ``now``. ``acting``: (J,), a loop should act
    there; ``held``: actuator → the lease and action by which a person has it."""

    now: CityTime
    begins: CityTime
    network: RoadNetwork
    signals: Frame | None
    lanes: Frame | None
    acting: Bools
    held: Mapping[str, tuple[Lease, int]]


def machine_conditions(machine: Machine) -> Iterator[Condition]:
    """Processes, log, disk and tracer."""
    yield from trace_conditions(machine.lost)
    yield from trouble_conditions(machine.troubles)
    yield from log_conditions(machine.log_error, machine.waiting, machine.age_s)
    yield from bus_conditions(machine.bus)
    if machine.history_error:
        yield Condition("history-behind", "history", {"reason": machine.history_error})
    if machine.disk_free < min(DISK_LOW_BYTES, DISK_LOW_SHARE * machine.disk_total):
        free = round(machine.disk_free / 1e9, 1)
        percent = round(100 * machine.disk_free / machine.disk_total, 1)
        yield Condition("disk-low", "disk", {"free_gb": free, "free_percent": percent})
    if machine.latency_p99_ms is not None and machine.latency_p99_ms > LATE_MS:
        late = {"p99_ms": round(machine.latency_p99_ms), "limit_ms": LATE_MS}
        yield Condition("loop-late", "loops", late)


def bus_conditions(bus: BusState) -> Iterator[Condition]:
    """The bus is not to be had, or is behind the log."""
    if bus.state in ("failing", "refused", "full"):
        yield Condition("bus-failing", "bus", {"reason": bus.reason})
    elif bus.age_s > BUS_BEHIND_S:
        yield Condition("bus-behind", "bus", {"age_s": round(bus.age_s, 1)})


def log_conditions(error: str, waiting: int, age_s: float) -> Iterator[Condition]:
    """The log's writer fails, or is behind."""
    if error:
        yield Condition("log-failing", "log", {"error": error, "waiting": waiting})
    elif age_s > LOG_BEHIND_S:
        behind = {"waiting": waiting, "age_s": round(age_s, 1)}
        yield Condition("log-behind", "log", behind)


def trace_conditions(lost: LostTrace | None) -> Iterator[Condition]:
    """The tracer did not come back."""
    if lost is not None:
        passed = lost.passed or "nothing"
        data: dict[str, Datum] = {
            "passed": passed,
            "missing": lost.missing,
            "waited_s": lost.waited_s,
        }
        yield Condition("tracer-lost", "tracer", data, since=lost.since)


def trouble_conditions(of: Mapping[str, Trouble]) -> Iterator[Condition]:
    """Processes that ended."""
    for name, trouble in of.items():
        data: dict[str, Datum] = {"process": name, "times": trouble.times}
        severity = _VITAL.get(name, "medium")
        yield Condition("process-down", name, data, None, severity, trouble.since)


def source_conditions(sources: Mapping[str, SourceHealth]) -> Iterator[Condition]:
    """Sources that fail, or have nothing to say."""
    for name, health in sources.items():
        if health.state == "failing":
            yield Condition("source-failing", name, {"source": name, "reason": health.reason})
        elif health.silent_s > 0:
            silent: dict[str, Datum] = {"source": name, "silent_s": round(health.silent_s)}
            yield Condition("source-silent", name, silent)


def street_conditions(street: Street) -> Iterator[Condition]:
    """Signals and queues."""
    if street.signals is not None:
        yield from _fallbacks(street, street.signals)
        yield from _flashes(street, street.signals)
    yield from _expiring_holds(street)
    if street.lanes is not None:
        yield from _queues(street, street.lanes)


def _fallbacks(street: Street, signals: Frame) -> Iterator[Condition]:
    """Junctions long on their local plans although a loop should act there."""
    ordered = np.maximum(signals["lastOrderAt"], street.begins)
    waited_s = (street.now - ordered) / 1000.0
    alone = (signals["inCharge"] == _LOCAL) & street.acting & (waited_s > FALLBACK_S)
    for row in np.flatnonzero(alone).tolist():
        name = signals.ids.names[row]
        if name not in street.held:
            junction = name.rpartition(":")[2]
            minutes = round(float(waited_s[row]) / 60, 1)
            data: dict[str, Datum] = {"junction": junction, "minutes": minutes}
            yield Condition("fallback", name, data, junction)


def _flashes(street: Street, signals: Frame) -> Iterator[Condition]:
    for row in np.flatnonzero(signals["stage"] == Stage.FLASH).tolist():
        name = signals.ids.names[row]
        by_hand = name in street.held and street.held[name][1] == FLASH
        junction = name.rpartition(":")[2]
        data: dict[str, Datum] = {"junction": junction, "by_hand": by_hand}
        yield Condition("flash", name, data, junction, "medium" if by_hand else "high")


def _expiring_holds(street: Street) -> Iterator[Condition]:
    for name, (lease, _) in street.held.items():
        if lease.expires_at - street.now <= HOLD_ENDS_S * 1000:
            junction = name.rpartition(":")[2]
            data: dict[str, Datum] = {"junction": junction, "expires_at": iso(lease.expires_at)}
            yield Condition("hold-expiring", name, data, junction)


def _queues(street: Street, lanes: Frame) -> Iterator[Condition]:
    """Detector pieces that stand full, by the junction they lead to; and very many at once."""
    network = street.network
    room = network.exit_room
    if len(lanes) != len(room):
        return
    queues = lanes["queueLength"].astype(np.float64)
    # More than can stand there is no queue: its sensor lies, which another rule tells.
    full = (room >= LEAST_ROOM) & (queues >= FULL * room) & (queues <= 2.0 * room + 2.0)
    if not full.any():
        return
    standing: dict[str, int] = {}
    for row, junction in zip(*_owners(network, full), strict=True):
        standing[junction] = standing.get(junction, 0) + int(queues[row])
    for junction, queued in standing.items():
        data: dict[str, Datum] = {"junction": junction, "queued": queued}
        yield Condition("long-queue", junction, data, junction)
    if len(standing) >= max(MANY, (len(network.bank.junctions) + 1) // 2):
        yield Condition("gridlock", CITY, {"junctions": len(standing)})


def _owners(network: RoadNetwork, full: Bools) -> tuple[Sequence[int], Sequence[str]]:
    """Rows of the detectors that are full, and the junction that each leads to."""
    movements, rows, _ = network.feeds
    chosen: Ints = np.flatnonzero(full[rows])
    found, first = np.unique(rows[chosen], return_index=True)
    junctions = movements[chosen][first] // network.bank.shape[2]
    return found.tolist(), [network.bank.junctions[j].id for j in junctions.tolist()]


def loop_conditions(
    failures: Mapping[str, tuple[CityTime, int, str]], now: CityTime
) -> Iterator[Condition]:
    """Loops that failed a moment ago: name → when last, how often, why."""
    for name, (at, times, why) in failures.items():
        if 0 <= now - at <= FAILING_LASTS_S * 1000:
            data: dict[str, Datum] = {"loop": name, "failures": times, "reason": why}
            yield Condition("loop-failing", name, data)


def refusal_conditions(
    refused: Mapping[str, Sequence[CityTime]], now: CityTime
) -> Iterator[Condition]:
    """Junctions whose orders are refused again and again: junction → when."""
    for junction, times in refused.items():
        lately = sum(1 for at in times if 0 <= now - at <= REFUSED_WITHIN_S * 1000)
        if lately >= REFUSED_AT_LEAST:
            minutes = REFUSED_WITHIN_S / 60
            data: dict[str, Datum] = {"junction": junction, "refused": lately, "minutes": minutes}
            name = f"urn:ngsi-ld:SignalController:{junction}"
            yield Condition("refusals", name, data, junction)
