"""What is compared: each controller as something that hears frames and gives orders."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import libsumo
import numpy as np
import numpy.typing as npt

from cityloop.analysis.max_pressure import link_pressures
from cityloop.kernel.clock import after
from cityloop.kernel.cycle import Cycle
from cityloop.kernel.frame import Frame
from cityloop.kernel.loop import Loop, Mode, Orders, Priority
from cityloop.safety.envelope import Limits, Stage
from cityloop.safety.guard import SignalGuard
from cityloop.standards.network import RoadNetwork
from cityloop.standards.signals import Junction, SignalBank
from cityloop.twins.sumo.programs import clearance

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

VALID_S = 5.0


class Controller(Protocol):
    """Hears every second's frames and gives orders, which take effect one second later.

    Frames hold the types that a twin senses. A controller that drives lamps itself, past the
    cabinets, gives no orders.
    """

    def orders(self, frames: Sequence[Frame]) -> tuple[Orders, ...]:
        """Orders computed from the frames of one second."""
        ...


class Nothing:
    """SUMO's own program runs."""

    def orders(self, frames: Sequence[Frame]) -> tuple[Orders, ...]:
        """None."""
        return ()


class ThroughTheKernel:
    """A loop in the kernel's cycle, its proposals judged by the guard: the path of a real city."""

    def __init__(self, loop: Loop, network: RoadNetwork, limits: Limits, run: str) -> None:
        knows = {"network": network}
        guard = SignalGuard(network.bank, limits)
        self._cycle = Cycle(loop, knows, guard, network.controller_ids, run=run, epoch=1)
        self._modes = np.full(len(network.controller_ids), Mode.ACT, dtype=np.int64)

    def orders(self, frames: Sequence[Frame]) -> tuple[Orders, ...]:
        """What the guard let pass. Raises RuntimeError when the loop failed: a trial is no street,
        and a failure must not pass for a controller's figure."""
        self._cycle.see(frames)
        done = self._cycle.tick(frames[0].observed_at, self._modes)
        if done.failure:
            raise RuntimeError(f"loop {done.loop} failed: {done.failure}")
        return () if done.orders is None else (done.orders,)


class LinkCounts:
    """Pressures from what a textbook assumes: all vehicles on the lanes a link joins."""

    def __init__(self, network: RoadNetwork) -> None:
        self.bank: SignalBank = network.bank
        pairs = [(k.from_lane, k.to_lane) for j in self.bank.junctions for k in j.links]
        self._lanes = sorted({lane for pair in pairs for lane in pair})
        row = {lane: i for i, lane in enumerate(self._lanes)}
        self._incoming = self._table(row, lambda link: link[0])
        self._outgoing = self._table(row, lambda link: link[1])
        self._green = (self.bank.green > 0) & ~self.bank.pedestrian[:, None, :]

    def _table(self, row: Mapping[str, int], end: Callable[[tuple[str, str]], str]) -> Ints:
        out = np.zeros((self.bank.shape[0], self.bank.shape[2]), dtype=np.int64)
        for j, junction in enumerate(self.bank.junctions):
            for k, link in enumerate(junction.links):
                out[j, k] = row[end((link.from_lane, link.to_lane))]
        return out

    def best(self) -> Ints:
        """The phase of highest pressure now, (J,)."""
        count = libsumo.lane.getLastStepVehicleNumber
        vehicles = np.array([count(lane) for lane in self._lanes], dtype=np.float64)
        pressure = link_pressures(self._green, vehicles[self._incoming], vehicles[self._outgoing])
        return np.asarray(np.where(self.bank.has_phase, pressure, -np.inf).argmax(axis=1))


class GuardedMaxPressure:
    """Textbook max-pressure that orders cabinets, so under all that these hold to."""

    def __init__(self, network: RoadNetwork) -> None:
        self._counts = LinkCounts(network)
        self._rows = np.arange(len(network.controller_ids))

    def orders(self, frames: Sequence[Frame]) -> tuple[Orders, ...]:
        """The phase of highest pressure once the minimum green is over, until then no change."""
        signals = next(part for part in frames if part.type == "SignalController")
        phase = np.asarray(signals["phase"], dtype=np.int64)
        age_s = np.asarray(signals["stageAge"], dtype=np.float64)
        least_s = self._counts.bank.min_green_s[self._rows, np.maximum(phase, 0)]
        free = (np.asarray(signals["stage"]) == Stage.GREEN) & (age_s >= least_s)
        wanted = np.where(free, self._counts.best(), phase)
        at = signals.observed_at
        expires = after(at, VALID_S)
        return (Orders(at, expires, 1, Priority.OPTIMISATION, self._rows, wanted),)


class PlainMaxPressure:
    """Textbook max-pressure that sets lamps itself: fixed least green, yellow, all-red; no guard.

    Each decision holds for the minimum green.
    """

    def __init__(self, network: RoadNetwork) -> None:
        self._counts = LinkCounts(network)
        self._junctions = network.bank.junctions
        self._phase = [0] * len(self._junctions)
        self._left_s = [0] * len(self._junctions)
        self._plan: list[list[tuple[str, int]]] = [[] for _ in self._junctions]

    def orders(self, frames: Sequence[Frame]) -> tuple[Orders, ...]:
        """None: the lamps are set at once."""
        best: Ints | None = None
        for j, junction in enumerate(self._junctions):
            self._left_s[j] -= 1
            if self._left_s[j] > 0:
                continue
            if not self._plan[j]:
                best = self._counts.best() if best is None else best
                self._plan[j] = self._steps(junction, self._phase[j], int(best[j]))
                self._phase[j] = int(best[j])
            letters, self._left_s[j] = self._plan[j].pop(0)
            libsumo.trafficlight.setRedYellowGreenState(junction.id, letters)
        return ()

    @staticmethod
    def _steps(junction: Junction, old: int, new: int) -> list[tuple[str, int]]:
        """Letters and seconds from one phase to the next decision."""
        pairs = zip(junction.phases[new].state, junction.links, strict=True)
        green = "".join("s" if c == "r" and link.turns_on_red else c for c, link in pairs)
        steps = [(letters, round(span_s)) for letters, span_s in clearance(junction, old, new)]
        return [*steps, (green, round(junction.min_green_s[new]))]
