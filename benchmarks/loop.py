"""From frame to proposals: one junction bank of Hangzhou, and synthetic copies up to 1,723.

    python benchmarks/loop.py

Compute only: fold the frames, analyse, respond, and the guard at the centre, in one process. The
frames are those of the real twin under control, second by second, the copies hold the same values.
"""

import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from tests.faults.running import HANGZHOU

from benchmarks.record import Result, record
from cityloop.city.build import Site, build_site, registered_loops
from cityloop.kernel.clock import CityTime
from cityloop.kernel.cycle import Cycle
from cityloop.kernel.frame import Array, Column, EntityIds, Frame
from cityloop.kernel.loop import Mode, Orders
from cityloop.safety.cabinet import CabinetBank
from cityloop.safety.guard import SignalGuard
from cityloop.standards.network import Detectors, RoadNetwork, StopLines
from cityloop.standards.signals import SignalBank
from cityloop.twins.sumo.twin import SumoTwin

LOOP = "mobility/signal_timing"
SECONDS = 900
WUXI = 1723
"""Signals that Wuxi reads and controls."""


def copies(network: RoadNetwork, junctions: int) -> RoadNetwork:
    """The network as often as needed, side by side, cut to so many junctions."""
    times = -(-junctions // len(network.bank.junctions))
    names = [f"copy{i}" for i in range(times)]
    bank = SignalBank(
        tuple(replace(j, id=f"{j.id}.{n}") for n in names for j in network.bank.junctions)[
            :junctions
        ]
    )
    pieces, lines = network.detectors, network.stop_lines
    movements = network.bank.shape[0] * network.bank.shape[2]
    kept = junctions * network.bank.shape[2]

    def triples(old: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        rows = np.concatenate([old[0] + i * movements for i in range(times)])
        columns = np.concatenate([old[1] + i * len(pieces.ids) for i in range(times)])
        fits = rows < kept
        return rows[fits], columns[fits], np.tile(old[2], times)[fits]

    stop = network.stop_line_of
    stops = [np.where(stop < 0, -1, stop + i * len(lines.ids)) for i in range(times)]
    return RoadNetwork(
        version=f"{network.version} x {times}",
        bank=bank,
        detectors=Detectors(
            _ids(pieces.ids, names),
            tuple(f"{lane}.{n}" for n in names for lane in pieces.lanes),
            *(np.tile(a, times) for a in (pieces.start_m, pieces.end_m, pieces.distance_m)),
        ),
        stop_lines=StopLines(
            _ids(lines.ids, names), tuple(f"{lane}.{n}" for n in names for lane in lines.lanes)
        ),
        feeds=triples(network.feeds),
        leaves=triples(network.leaves),
        stop_line_of=np.concatenate(stops)[:kept],
        exit_room=np.tile(network.exit_room, times),
    )


def _ids(ids: EntityIds, names: list[str]) -> EntityIds:
    return EntityIds([f"{i}.{n}" for n in names for i in ids])


def stretched(part: Frame, network: RoadNetwork) -> Frame:
    """A frame of the small network as one of the large."""
    ids = {
        "LaneDetector": network.detector_ids,
        "StopLineDetector": network.stop_line_ids,
        "SignalController": network.controller_ids,
    }[part.type]

    def long(values: Array) -> Array:
        return np.resize(values, len(ids))

    columns = {
        name: Column(long(c.values), None, None if c.null is None else long(c.null))
        for name, c in part.columns.items()
    }
    return Frame(part.type, part.run, part.observed_at, ids, columns)


def recorded(site: Site, cycle: Cycle, modes: Array) -> tuple[list[tuple[Frame, ...]], list[float]]:
    """Frames of a stretch of the controlled twin, and the milliseconds of each pass."""
    cabinets = CabinetBank(site.network.bank, site.limits, CityTime(0))
    twin = SumoTwin(
        site.scenario, site.network, run="a", seed=1, start=CityTime(0), cabinets=cabinets
    )
    frames, spans = [twin.sense()], []
    orders: tuple[Orders, ...] = ()
    for _ in range(SECONDS):
        frames.append(twin.step(orders))
        done, span = timed(cycle, frames[-1], modes)
        spans.append(span)
        orders = () if done is None else (done,)
    twin.close()
    return frames, spans


def timed(cycle: Cycle, frames: tuple[Frame, ...], modes: Array) -> tuple[Orders | None, float]:
    """One pass and its milliseconds."""
    started = time.perf_counter()
    cycle.see(frames)
    done = cycle.tick(frames[0].observed_at, modes)
    span = (time.perf_counter() - started) * 1000
    assert not done.failure, done.failure
    return done.orders, span


def cycle_of(site: Site, network: RoadNetwork) -> tuple[Cycle, Array]:
    """A cycle of the loop over ``network``, and all junctions in act."""
    ids = network.controller_ids
    guard = SignalGuard(network.bank, site.limits)
    loop = registered_loops()[LOOP]
    cycle = Cycle(loop, {"network": network}, guard, ids, run="a", epoch=1)
    return cycle, np.full(len(ids), Mode.ACT)


def main() -> None:
    """Measure both sizes on the same frames."""
    with TemporaryDirectory() as folder:
        site = build_site(HANGZHOU, Path(folder))
        frames, small = recorded(site, *cycle_of(site, site.network))
    large = copies(site.network, WUXI)
    cycle, modes = cycle_of(site, large)
    watched = {watch.type for watch in cycle.loop.watches.values()}
    spans = []
    for tick in frames[::3]:
        parts = tuple(stretched(part, large) for part in tick if part.type in watched)
        spans.append(timed(cycle, parts, modes)[1])
    record(
        "loop",
        Result("proposals_16_junctions_p99", float(np.percentile(small[10:], 99)), "ms"),
        Result("proposals_16_junctions_p50", float(np.percentile(small[10:], 50)), "ms"),
        Result("proposals_1723_junctions_p99", float(np.percentile(spans[3:], 99)), "ms"),
        Result("proposals_1723_junctions_p50", float(np.percentile(spans[3:], 50)), "ms"),
    )


if __name__ == "__main__":
    main()
