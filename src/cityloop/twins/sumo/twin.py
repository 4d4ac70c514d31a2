"""The SUMO twin: a simulated city behind the same sensors and cabinets as the real one.

Ground truth (every vehicle, every trip) leaves by ``truth`` and ``positions`` alone, which no frame
carries: no loop input can reach it.
"""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import libsumo
import numpy as np
import numpy.typing as npt

from cityloop.kernel.clock import CityTime, after
from cityloop.kernel.errors import BusyError, ConfigError
from cityloop.kernel.frame import Array, Column, EntityIds, Frame
from cityloop.kernel.loop import Orders
from cityloop.safety.cabinet import CabinetBank, CabinetReport, LocalSensing
from cityloop.safety.envelope import Stage
from cityloop.standards.network import RoadNetwork
from cityloop.twins.sumo.additional import silence_outputs
from cityloop.twins.sumo.binaries import sumo_binary, use_sumo_home
from cityloop.twins.sumo.demand import Demand, read_demand
from cityloop.twins.sumo.freeflow import FreeRoad
from cityloop.twins.sumo.lane_areas import LaneAreas, write_detectors
from cityloop.twins.sumo.network import entity_id
from cityloop.twins.sumo.people import Buttons
from cityloop.twins.sumo.queue_segments import QueueSegments
from cityloop.twins.sumo.scenario import SEGMENT_M, SumoScenario
from cityloop.twins.sumo.sensors import Nearby, Sensors

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# As in ``sensors``: these are asked every second.
_CALLS = libsumo._libsumo  # noqa: SLF001
_ARRIVED = _CALLS.simulation_getArrivedIDList
_COLLIDING = _CALLS.simulation_getCollidingVehiclesNumber
_STOPPING = _CALLS.simulation_getEmergencyStoppingVehiclesNumber
_SET_LAMPS = _CALLS.trafficlight_setRedYellowGreenState

_MESOSCOPIC = (
    *("--mesosim", "--meso-edgelength", str(SEGMENT_M)),
    "--meso-junction-control",  # else signals stop nobody: they only make roads slower
    "--meso-lane-queue",  # else queues are told apart by lane in the last segment only
)

_YELLOW, _ALL_RED = int(Stage.YELLOW), int(Stage.ALL_RED)  # a member of an enum is slow to reach


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """Ground truth of the run so far; seconds count from the run's begin.

    ``vehicles`` drive now, ``waiting`` wait to enter. ``arrived``: rows of the twin's
    ``planned_departures_s`` in order of arrival, ``arrival_s`` when; both grow only. ``collisions``
    and ``emergency_stops`` are counted since the begin.
    """

    at: CityTime
    vehicles: int
    waiting: int
    arrived: Ints
    arrival_s: Floats
    collisions: int
    emergency_stops: int


@dataclass(frozen=True, slots=True, eq=False)
class Positions:
    """Where every vehicle is: n ids; metres of the network's plane, degrees from north, m/s."""

    ids: tuple[str, ...]
    x: Floats
    y: Floats
    angle: Floats
    speed: Floats


class SumoTwin:
    """One run of ``scenario`` with its sensors and ``cabinets``, stepped a second at a time.

    With ``cabinets`` None SUMO's own programs run (a baseline). ``tripinfo`` names a file for
    SUMO's trip records, complete after ``close``. The same seed and orders give the same run.

    Raises BusyError where a simulation already runs in this process (libsumo holds one),
    ConfigError where SUMO cannot start the scenario.
    """

    def __init__(
        self,
        scenario: SumoScenario,
        network: RoadNetwork,
        *,
        run: str,
        seed: int,
        start: CityTime,
        cabinets: CabinetBank | None,
        tripinfo: Path | None = None,
    ) -> None:
        if libsumo.isLoaded():
            raise BusyError("a SUMO simulation runs in this process; start the twin in its own")
        self.scenario, self.network, self.run = scenario, network, run
        self._start, self._second = start, 0
        demand = read_demand(scenario)
        self._trips = _Trips(demand, scenario)
        self._folder = TemporaryDirectory(prefix="cityloop-twin-")
        try:
            self._launch(seed, tripinfo)
            self._connect(demand, cabinets)
        except BaseException:
            self.close()
            raise

    def _connect(self, demand: Demand, cabinets: CabinetBank | None) -> None:
        edges = EntityIds([entity_id("EntryQueue", edge) for edge in demand.entry_edges])
        rows = {edge: row for row, edge in enumerate(demand.entry_edges)}
        entries = {
            name: rows[route[0]] for name, route in zip(demand.ids, demand.routes, strict=True)
        }
        network = self.network
        roadside = QueueSegments(network) if self.scenario.mesoscopic else LaneAreas(network)
        self._sensors = Sensors(network, entries, edges, roadside)
        self._signals: _Cabinets | _Programs = (
            _Programs(self.network, self._start)
            if cabinets is None
            else _Cabinets(cabinets, self._sensors, self._start)
        )

    def _launch(self, seed: int, tripinfo: Path | None) -> None:
        use_sumo_home()
        folder = Path(self._folder.name)
        extra = [silence_outputs(path, folder) for path in self.scenario.additional]
        if not self.scenario.mesoscopic:
            extra.append(write_detectors(self.network, folder / "detectors.add.xml"))
        command = [
            "sumo",
            *("--net-file", str(self.scenario.net)),
            *("--route-files", ",".join(map(str, self.scenario.routes))),
            *(("--additional-files", ",".join(map(str, extra))) if extra else ()),
            *(_MESOSCOPIC if self.scenario.mesoscopic else ()),
            *("--begin", str(self.scenario.begin_s), "--step-length", "1", "--seed", str(seed)),
            *("--time-to-teleport", "-1", "--ignore-route-errors"),
            *("--collision.action", "warn"),
            *("--no-step-log", "--no-warnings", "--duration-log.disable"),
            *("--xml-validation", "never"),
        ]
        if tripinfo is not None:
            command += ["--tripinfo-output", str(tripinfo), "--tripinfo-output.write-unfinished"]
            command += ["--tripinfo-output.write-undeparted"]
        try:
            libsumo.start(command)
        except (libsumo.TraCIException, libsumo.FatalTraCIError) as error:
            why = _complaint(command) or str(error)
            raise ConfigError(f"SUMO cannot start {self.scenario.net}: {why}") from error

    @property
    def begins(self) -> CityTime:
        """City time of second 0 of the run."""
        return self._start

    @property
    def now(self) -> CityTime:
        """City time of the newest frames."""
        return after(self._start, self._second)

    @property
    def planned_departures_s(self) -> Floats:
        """(n,), seconds from the run's begin, of the vehicles planned to depart before its end."""
        return self._trips.planned_s

    @property
    def vehicle_ids(self) -> tuple[str, ...]:
        """(n,), in the order of ``planned_departures_s``."""
        return self._trips.ids

    def free_flow_s(self) -> Floats:
        """(n,), seconds that each route takes at the speed limits of an empty road, in the order
        of ``planned_departures_s``."""
        return self._trips.free_flow_s()

    def sense(self) -> tuple[Frame, ...]:
        """Frames LaneDetector, StopLineDetector, EntryQueue, SignalController as of now."""
        now = self.now
        controllers = Frame(
            "SignalController",
            self.run,
            now,
            self.network.controller_ids,
            {name: Column(values) for name, values in self._signals.columns(now).items()},
        )
        return (*self._sensors.frames(self.run, now), controllers)

    def step(self, orders: Sequence[Orders] = ()) -> tuple[Frame, ...]:
        """One second: the cabinets hear ``orders`` and set their lamps, traffic moves, all is
        sensed. Returns the frames of the new second."""
        self._signals.step(self.now, orders)
        libsumo.simulationStep()
        self._second += 1
        self._trips.count(self._second)
        self._sensors.read()
        return self.sense()

    def truth(self) -> Truth:
        """Ground truth of the run so far."""
        trips = self._trips
        return Truth(
            self.now,
            libsumo.vehicle.getIDCount(),
            len(self._sensors.pending),
            np.array(trips.arrived, dtype=np.int64),
            np.array(trips.arrival_s, dtype=np.float64),
            trips.collisions,
            trips.emergency_stops,
        )

    def positions(self) -> Positions:
        """Where every vehicle is now; for display."""
        vehicle = libsumo.vehicle
        ids = vehicle.getIDList()
        xy = np.array([vehicle.getPosition(name) for name in ids], dtype=np.float64).reshape(-1, 2)
        angle = np.array([vehicle.getAngle(name) for name in ids], dtype=np.float64)
        speed = np.array([vehicle.getSpeed(name) for name in ids], dtype=np.float64)
        return Positions(ids, xy[:, 0], xy[:, 1], angle, speed)

    def close(self) -> None:
        """End the simulation, complete its outputs, remove its files. May be called twice."""
        if libsumo.isLoaded():
            libsumo.close()
        self._folder.cleanup()


def _complaint(command: Sequence[str]) -> str:
    """What the program ``sumo`` says of the same command: the library's error does not tell."""
    program = [str(sumo_binary("sumo")), *command[1:], "--end", "0"]
    return subprocess.run(program, capture_output=True, text=True, check=False).stderr.strip()


class _Trips:
    """Planned departures and arrivals of the vehicles that count."""

    def __init__(self, demand: Demand, scenario: SumoScenario) -> None:
        counts = (demand.depart_s >= scenario.begin_s) & (demand.depart_s < scenario.end_s)
        rows = counts.nonzero()[0].tolist()
        self.ids = tuple(demand.ids[row] for row in rows)
        self.planned_s: Floats = demand.depart_s[rows] - scenario.begin_s
        self._routes = [demand.routes[row] for row in rows]
        self._rows = {name: row for row, name in enumerate(self.ids)}
        self.arrived: list[int] = []
        self.arrival_s: list[float] = []
        self.collisions = 0
        self.emergency_stops = 0

    def free_flow_s(self) -> Floats:
        road = FreeRoad()
        return np.array([road.seconds(route) for route in self._routes], dtype=np.float64)

    def count(self, second: int) -> None:
        """Note who arrived in the step up to ``second``; SUMO dates a step by its begin."""
        for name in _ARRIVED():
            row = self._rows.get(name)
            if row is not None:
                self.arrived.append(row)
                self.arrival_s.append(second - 1.0)
        self.collisions += _COLLIDING()
        self.emergency_stops += _STOPPING()


class _Cabinets:
    """Signals set by our cabinets."""

    def __init__(self, bank: CabinetBank, sensors: Sensors, start: CityTime) -> None:
        self._bank = bank
        self._nearby = Nearby(sensors.network, sensors)
        self._buttons = Buttons(bank.bank)
        junctions = sensors.network.bank.junctions
        self._names = [junction.id for junction in junctions]
        self._abrupt = sensors.network.bank.all_red_s == 0
        self._report: CabinetReport = bank.step(start, (), LocalSensing())
        self._show(np.arange(len(self._names)))

    def step(self, now: CityTime, orders: Sequence[Orders]) -> None:
        # Only they may be about to start a green; the others need not look inside.
        stage = self._report.stage
        ending = ((stage == _ALL_RED) | (self._abrupt & (stage == _YELLOW))).nonzero()[0]
        waiting, discharged, blocked_ahead = self._nearby.at_lines()
        sensed = LocalSensing(
            box_blocked=self._nearby.box_blocked(ending),
            waiting=waiting,
            discharged=discharged,
            blocked_ahead=blocked_ahead,
            calls=self._buttons.calls(),
        )
        self._report = self._bank.step(now, orders, sensed)
        self._show(self._report.changed)

    def _show(self, rows: Ints) -> None:
        for row in rows.tolist():
            letters = self._report.letters(row)
            _SET_LAMPS(self._names[row], letters)

    def columns(self, now: CityTime) -> Mapping[str, Array]:
        return self._report.columns(now)


class _Programs:
    """Signals run by SUMO's own programs; reported as if by a cabinet on its local plan."""

    def __init__(self, network: RoadNetwork, start: CityTime) -> None:
        self._names = [junction.id for junction in network.bank.junctions]
        count = len(self._names)
        self._states = [""] * count
        self._since = np.full(count, start, dtype=np.int64)
        self._phase = np.zeros(count, dtype=np.int8)
        self._stage = np.zeros(count, dtype=np.int8)
        self._zeros = np.zeros(count, dtype=np.int8)
        self._never = np.zeros(count, dtype=np.int64)

    def step(self, now: CityTime, orders: Sequence[Orders]) -> None:
        """Orders reach nobody here."""

    def columns(self, now: CityTime) -> Mapping[str, Array]:
        light = libsumo.trafficlight
        phase, stage = self._phase.copy(), self._stage.copy()
        for row, name in enumerate(self._names):
            state = light.getRedYellowGreenState(name)
            if state != self._states[row]:
                self._states[row] = state
                self._since[row] = now
                phase[row], stage[row] = light.getPhase(name), _stage(state)
        self._phase, self._stage = phase, stage
        return {
            "phase": phase,
            "stage": stage,
            "stageAge": ((now - self._since) / 1000.0).astype(np.float32),
            "inCharge": self._zeros,
            "refusal": self._zeros,
            "lastOrderAt": self._never,
        }


def _stage(state: str) -> Stage:
    if "y" in state:
        return Stage.YELLOW
    return Stage.GREEN if "G" in state or "g" in state else Stage.ALL_RED
