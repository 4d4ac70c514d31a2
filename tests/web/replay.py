"""A small city that repeats itself: sixteen junctions whose every second follows from the last.

It stands behind the same port as a real city, for tests and for working on the page:
``python -m tests.web.replay`` serves it on http://127.0.0.1:8001.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from math import atan2, degrees, exp, hypot
from pathlib import Path

import msgspec
import numpy as np
from tests.web.replay_desk import ReplayDesk
from tests.web.replay_doors import replay_doors
from tests.web.replay_past import ReplayPast

from cityloop.city.board import Board
from cityloop.city.metrics import CityMetrics
from cityloop.city.surface import (
    Anchor,
    CalendarTold,
    Counters,
    DecisionRow,
    DriveAction,
    Health,
    HealthPart,
    JunctionState,
    LiveState,
    LoopGroup,
    LoopRow,
    MapData,
    MapDetector,
    MapDevice,
    MapGroup,
    MapJunction,
    MapLink,
    MapLoop,
    MapRoad,
    Measures,
    ModeName,
    Operation,
    PlansTold,
    Point,
    RetentionRow,
    Summary,
    Vehicles,
    Watched,
)
from cityloop.kernel.errors import BusyError, RefusedError
from cityloop.standards.plans import Green, JunctionPlan, TimePlan
from cityloop.standards.retention import Keep

LOOP = "mobility/signal_timing"
SIDE, EAST_M, NORTH_M, REACH_M = 4, 800.0, 600.0, 250.0
START = datetime(2018, 4, 16, 2, 10, tzinfo=UTC)
HEADINGS: tuple[tuple[float, float], ...] = ((0, -1), (-1, 0), (0, 1), (1, 0))
"""Unit vectors along which traffic arrives from north, east, south and west."""
TURNS = ("l", "s", "r")
PHASES = tuple(
    "".join("G" if turn == "r" or (a, turn) in greens else "r" for a in range(4) for turn in TURNS)
    for greens in (
        {(0, "s"), (2, "s")},
        {(1, "s"), (3, "s")},
        {(0, "l"), (2, "l")},
        {(1, "l"), (3, "l")},
    )
)
SERVES = np.array([[letter == "G" for letter in phase] for phase in PHASES])
MODES = ("observe", "shadow", "advise", "act")


def _junctions() -> list[tuple[str, float, float]]:
    return [
        (f"intersection_{i + 1}_{k + 1}", i * EAST_M, k * NORTH_M)
        for i in range(SIDE)
        for k in range(SIDE)
    ]


def _approach(x: float, y: float, a: int, lane: int, far_m: float, near_m: float) -> list[Point]:
    east, north = HEADINGS[a]
    side_x, side_y = north * (2 + 3.5 * lane), -east * (2 + 3.5 * lane)
    return [(x - east * d + side_x, y - north * d + side_y) for d in (far_m, near_m)]


def replay_map() -> MapData:
    """The grid of Gudang as a drawing: 16 junctions, 192 detectors."""
    links = [(a, lane, turn) for a in range(4) for lane, turn in enumerate(TURNS)]
    junctions, roads, detectors = [], [], []
    for name, x, y in _junctions():
        lanes = [MapLink(f"{name}:{a}_{lane}", turn) for a, lane, turn in links]
        junctions.append(MapJunction(name, name.replace("_", " "), x, y, list(PHASES), lanes))
        for a, (east, north) in enumerate(HEADINGS):
            far = EAST_M if east else NORTH_M
            shape = [(x - east * d - 6 * -north, y - north * d + 6 * -east) for d in (far, 14.0)]
            roads.append(MapRoad(f"{name}:{a}", shape, 3))
        for a, lane, _ in links:
            shape = _approach(x, y, a, lane, REACH_M, 16.0)
            detectors.append(MapDetector(f"{name}:{a}_{lane}", name, f"{name}:{a}_{lane}", shape))
    names = [junction.id for junction in junctions]
    groups = [MapGroup("west", names[:8]), MapGroup("east", names[8:])]
    anchor = Anchor(30.28, 120.12, True, "The grid is laid on Gudang by eye.")
    loops = [MapLoop(LOOP, groups)]
    devices = [MapDevice(GAUGE, "WeatherObserved", "Weather office", 1200.0, 900.0)]
    return MapData("Hangzhou", "Asia/Shanghai", anchor, junctions, roads, detectors, loops, devices)


GAUGE = "urn:ngsi-ld:WeatherObserved:Roof"


def _loop() -> LoopRow:
    """The loop as its hub tells of it."""
    groups = [LoopGroup("west", ["J11"], "act", None), LoopGroup("east", ["J12"], "advise", None)]
    watches = [Watched("LaneDetector", ["vehicleCount", "queueLength"])]
    return LoopRow(LOOP, "2", ["2", "1"], "ok", "", 600, 0, 1.9, 6.4, groups, watches=watches)


class ReplayCity:
    """CityPort over a city that goes on only when told to: ``advance(seconds)``.

    ``commands`` holds what was asked, in order. ``hub_alive`` may be set to False: the picture
    stands still then and commands find nobody. ``hold_rows`` decisions are kept.
    """

    def __init__(self, seed: int = 1, hold_rows: int = 1000) -> None:
        self.commands: list[tuple[object, ...]] = []
        self.hub_alive = True
        self.paused = False
        self.speed = 5.0
        self.second = 0
        self.modes: dict[str, ModeName] = {"west": "act", "east": "advise"}
        self._desk = ReplayDesk()
        self.desk = self._desk.reader(self._ask)
        self.doors = replay_doors(self._ask)
        self.board = Board(self._ask)
        self.board.hear("loops", msgspec.json.encode([_loop()]))
        own = [JunctionPlan("J11", [Green(0, 30), Green(1, 20)])]
        plans = PlansTold(0, None, "", None, own, [TimePlan("peak", own)])
        self.board.hear("plans", msgspec.json.encode(plans))
        keep = Keep("LaneDetector", "P14D", 60.0, "P90D")
        kept = RetentionRow(keep.type, keep.raw, keep.every_s, keep.kept, keep, None)
        self.board.hear("retention", msgspec.json.encode([kept]))
        calendar = CalendarTold(0, None, "", "Asia/Shanghai", [], [])
        self.board.hear("calendar", msgspec.json.encode(calendar))
        self.metrics = CityMetrics(Path(), self.state, self.desk.alarms, self.doors.sources)
        self._map = replay_map()
        self._names = [junction.id for junction in self._map.junctions]
        self._random = np.random.default_rng(seed)
        self._rates = self._random.uniform(0.005, 0.04, (16, 12))
        self._waiting = np.zeros((16, 12), dtype=np.int64)
        self._phase = np.zeros(16, dtype=np.int64)
        self._since = np.zeros(16, dtype=np.int64)
        self._by_hand: dict[str, tuple[Operation, int | None]] = {}
        self._hold_rows = hold_rows
        self._rows: list[DecisionRow] = []
        self._number = self._refused = self._seq = 0
        self._news = asyncio.Condition()
        self.vehicles = ReplayVehicles(self)
        self.past = ReplayPast(self)

    @property
    def recorded(self) -> list[DecisionRow]:
        """Every decision, in order."""
        return self._rows

    # what a test or the server below does

    async def advance(self, seconds: int = 1) -> None:
        """Let the city go on, and tell whoever waits."""
        for _ in range(seconds):
            self._second()
        await self.tell()

    async def run(self) -> None:
        """Go on at ``speed`` until cancelled."""
        while True:
            await asyncio.sleep(0.2)
            if not self.paused and self.hub_alive:
                await self.advance(max(1, round((self.speed or 60) * 0.2)))

    async def tell(self) -> None:
        """Wake whoever waits for a change."""
        async with self._news:
            self._seq += 1
            self._news.notify_all()

    def _second(self) -> None:
        self.second += 1
        arrivals = self._random.random((16, 12)) < self._rates
        leaves = SERVES[self._phase] & (self._random.random((16, 12)) < 0.4)
        leaves &= (self._since >= 5)[:, None]
        self._waiting = np.maximum(self._waiting + arrivals - leaves, 0)
        self._since += 1
        pressure = self._waiting @ SERVES.T
        local = np.array([self.modes[self._group(j)] != "act" for j in range(16)])
        ends = local & (self._since >= 30)
        self._phase[ends] = (self._phase[ends] + 1) % len(PHASES)
        self._since[ends] = 0
        for j in np.flatnonzero(self._since % 8 == 7):
            best = int(pressure[j].argmax())
            if best != self._phase[j] and self._names[j] not in self._by_hand:
                self._decide(int(j), best, pressure[j])
        self.past.keep()

    def _decide(
        self, j: int, best: int, pressure: "np.ndarray[tuple[int], np.dtype[np.int64]]"
    ) -> None:
        now, row = int(self._phase[j]), self._map.junctions[j]
        gain = int(pressure[best] - pressure[now])
        mode = self.modes[self._group(j)]
        reason = (
            f"Phase {best} lets {int(pressure[best])} waiting vehicles go, {gain} more than "
            f"phase {now}, which is green for {int(self._since[j])} s."
        )
        verdict: str = "passed" if mode == "act" else mode
        refused = bool(self._since[j] < 10)
        if refused:
            left = 10 - int(self._since[j])
            reason, verdict = (
                f"The minimum green of phase {now} has {left} s to go.",
                "min_green",
            )
        waiting = mode == "advise" and not refused
        old = next((r for r in self._rows[-200:] if r.junction == row.id and self._waits(r)), None)
        self._record(row.id, best, verdict, refused, mode, reason, waiting)
        if old and waiting:
            self._again(old, "overtaken")
        if mode == "act" and not refused:
            self._phase[j], self._since[j] = best, 0

    def _record(
        self,
        junction: str,
        phase: int | None,
        verdict: str,
        refused: bool,
        mode: ModeName,
        reason: str,
        waiting: bool,
    ) -> None:
        self._number += 1
        self._refused += refused
        id_ = f"{self.second}-{junction}"
        row = DecisionRow(
            self._number, id_, self._now(), LOOP, junction, "set_phase", phase,
            verdict, refused, mode, reason, waiting,
        )  # fmt: skip
        self._rows.append(row)

    def _waits(self, row: DecisionRow) -> bool:
        last = next(r for r in reversed(self._rows) if r.id == row.id)
        return last.waiting_for_confirmation

    def _again(self, row: DecisionRow, verdict: str) -> None:
        """Record what became of a decision."""
        self._number += 1
        fields = {name: getattr(row, name) for name in row.__struct_fields__}
        fields |= {"number": self._number, "verdict": verdict, "waiting_for_confirmation": False}
        fields["reason"] = f"It was {verdict}."
        self._rows.append(DecisionRow(**fields))

    def _group(self, j: int) -> str:
        return "west" if j < 8 else "east"

    def _now(self) -> str:
        return (START + timedelta(seconds=self.second)).isoformat().replace("+00:00", "Z")

    # CityReadings

    def summary(self) -> Summary:
        """As any city."""
        m, c = self._measures(), self._counters()
        return Summary(
            "Hangzhou", "replay-1", self._now(), 16, m.vehicles, c.observations_total,
            c.rejected_total, c.decisions_total, c.refused_total, c.fallbacks_total,
            m.att_loop_s, m.att_baseline_s, c.loop_latency_p50_ms, c.loop_latency_p99_ms,
        )  # fmt: skip

    def health(self) -> Health:
        """As any city."""
        why = "" if self.hub_alive else "The hub was ended; it is started again in a second."
        parts = [
            HealthPart("hub", self.hub_alive, self.hub_alive, why),
            HealthPart("twin", True, True),
        ]
        return Health(parts)

    def map(self) -> MapData:
        """As any city."""
        return self._map

    def state(self) -> LiveState:
        """As any city."""
        return LiveState(
            self._seq, self._now() if self.second else None, "replay-1", self.speed, self.paused,
            self.hub_alive, True, [self._junction(j) for j in range(16)],
            (self._waiting + self._waiting // 3).ravel().tolist(), self._waiting.ravel().tolist(),
            self._measures(), self._counters(), {LOOP: dict(self.modes)},
        )  # fmt: skip

    def _junction(self, j: int) -> JunctionState:
        age, by_hand = float(self._since[j]), self._by_hand.get(self._names[j])
        stage = 3 if by_hand and by_hand[0] == "flash" else 1 if age < 3 else 2 if age < 5 else 0
        charge = 2 if by_hand else 1 if self.modes[self._group(j)] == "act" else 0
        phase = -2 if stage == 3 else int(self._phase[j])
        return JunctionState(phase, stage, age - (0, 0, 3, 0)[stage], charge)

    def _measures(self) -> Measures:
        if not self.second:
            return Measures(None, None, None, None, None, 0, 0, 0, 0, 0)
        share = 1 - exp(-self.second / 700)
        loop_s, baseline_s = 338.4 * share, 372.7 * share * (1 - 0.1 * exp(-self.second / 900))
        difference, half = loop_s - baseline_s, 4 + 60 * exp(-self.second / 400)
        inside, done = int(420 * share), int(self.second * 0.7 * share)
        return Measures(
            loop_s, baseline_s, difference, difference - half, difference + half,
            inside, self.second // 700, done, inside + 24, max(0, done - 31),
            loop_s * 0.55, baseline_s * 0.6,
        )  # fmt: skip

    def _counters(self) -> Counters:
        t = self.second
        return Counters(t * 700, t // 900, self._number, self._refused, t // 1300, 3500.0, 1.9, 6.4)

    def decisions(
        self, limit: int, junction: str | None = None, after: int = 0
    ) -> list[DecisionRow]:
        """As any city."""
        rows = [
            row
            for row in self._rows[-self._hold_rows :]
            if row.number > after and (junction is None or row.junction == junction)
        ]
        return rows[::-1][:limit]

    async def changes(self, after_seq: int) -> int:
        """As any city."""
        async with self._news:
            await self._news.wait_for(lambda: self._seq > after_seq)
        return self._seq

    # CityCommands

    async def set_mode(
        self, loop: str, group: str, mode: ModeName, shadow_result: str | None, by: str
    ) -> None:
        """Refuses an unknown group, and ``act`` without a shadow result."""
        self._taken("set_mode", loop, group, mode, shadow_result)
        if loop != LOOP or group not in self.modes:
            raise RefusedError(f"Loop {loop} has no group {group}; /api/map names them.")
        if mode == "act" and not shadow_result:
            raise RefusedError("Mode act needs the shadow result that justifies it.")
        self.modes[group] = mode
        await self.tell()

    async def advise(self, decision_id: str, confirm: bool, by: str) -> None:
        """Refuses a decision that waits for nobody."""
        self._taken("advise", decision_id, confirm)
        row = next((r for r in self._rows if r.id == decision_id), None)
        if row is None or not self._waits(row):
            raise RefusedError(f"Decision {decision_id} waits for nobody; it may have expired.")
        self._again(row, "confirmed" if confirm else "rejected")
        await self.tell()

    async def operate(
        self, junction: str, action: Operation, phase: int | None, minutes: float, by: str
    ) -> None:
        """Refuses a junction it does not have."""
        self._taken("operate", junction, action, phase, minutes)
        if junction not in self._names:
            raise RefusedError(f"There is no junction {junction}; /api/map names them.")
        if action == "release":
            self._by_hand.pop(junction, None)
        else:
            self._by_hand[junction] = (action, phase)
        await self.tell()

    async def drive(self, action: DriveAction, speed: float | None) -> None:
        """Refuses a step while the city runs."""
        self._taken("drive", action, speed)
        if action == "step" and not self.paused:
            raise RefusedError("The city runs; pause it before stepping.")
        if action == "step":
            self._second()
        self.paused = action == "pause" or (self.paused and action == "step")
        self.speed = speed if speed is not None else self.speed
        await self.tell()

    async def _ask(self, verb: str, **arguments: object) -> None:
        """What board and desk ask of the hub; refuses a version it does not have."""
        self._taken(verb, *arguments.values())
        if verb == "attend":
            self._desk.attend(self.desk, arguments)
            await self.tell()
        if verb == "set_version" and arguments["version"] not in ("1", "2"):
            raise RefusedError(f"There is no version {arguments['version']}; it can be 2 or 1.")

    def _taken(self, *command: object) -> None:
        if not self.hub_alive:
            raise BusyError("The hub is away.")
        self.commands.append(command)


class ReplayVehicles:
    """Vehicles that stand in line at their stop lines; nobody draws them while nobody looks."""

    def __init__(self, city: ReplayCity) -> None:
        self._city = city
        self.watchers = 0
        self._drawn: tuple[int, Vehicles] | None = None

    @contextmanager
    def looking(self) -> Iterator[None]:
        """As any city."""
        self.watchers += 1
        try:
            yield
        finally:
            self.watchers -= 1

    def newest(self) -> Vehicles | None:
        """As any city."""
        if not self.watchers:
            return None
        if self._drawn is None or self._drawn[0] != self._city.second:
            self._drawn = self._city.second, self._draw()
        return self._drawn[1]

    def _draw(self) -> Vehicles:
        state = self._city.state()
        rows = []
        detectors = self._city.map().detectors
        for number, (one, count) in enumerate(zip(detectors, state.vehicles_on, strict=True)):
            (x0, y0), (x1, y1) = one.shape[0], one.shape[-1]
            length = hypot(x1 - x0, y1 - y0)
            east, north = (x1 - x0) / length, (y1 - y0) / length
            angle = degrees(atan2(east, north)) % 360
            for k in range(count):
                back = 4 + 7.5 * k
                rows.append((number * 100 + k, x1 - east * back, y1 - north * back, angle, 0.0))
        ids, *columns = zip(*rows, strict=True) if rows else ([],) * 5
        rounded = ([round(value, 1) for value in column] for column in columns)
        return Vehicles(state.run, state.city_time or "", list(ids), *rounded)


async def main() -> None:
    """Serve the replay, going on by itself."""
    from cityloop.web.app import Server, create_app

    city = ReplayCity()
    going = asyncio.create_task(city.run())
    await Server(create_app(city), port=8001).serve()
    going.cancel()


if __name__ == "__main__":
    asyncio.run(main())
