"""From frame to proposals on one core: Hangzhou's 16 junctions, and 1,723 copied from them."""

import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.record import Result, record
from cityloop.domains.mobility.signal_timing import loop
from cityloop.kernel.clock import CityTime
from cityloop.kernel.cycle import Cycle
from cityloop.kernel.frame import EntityIds, Frame, frame
from cityloop.kernel.loop import Mode
from cityloop.safety.guard import SignalGuard
from cityloop.safety.timing import Limits
from cityloop.standards.network import Detectors, RoadNetwork, StopLines
from cityloop.standards.signals import SignalBank
from cityloop.twins.sumo.network import read_network
from cityloop.twins.sumo.tables import build_tables

ROOT = Path(__file__).resolve().parent.parent
TICKS, WARM_UP = 300, 20


def copies(network: RoadNetwork, junctions: int) -> RoadNetwork:
    """At least ``junctions`` junctions: ``network`` beside itself, as often as needed, then cut."""
    bank, pieces, lines = network.bank, network.detectors, network.stop_lines
    times = -(-junctions // len(bank.junctions))
    movements = len(bank.junctions) * bank.shape[2]
    cut = junctions * bank.shape[2]

    def triples(part: tuple[np.ndarray, np.ndarray, np.ndarray]) -> tuple[np.ndarray, ...]:
        rows = np.concatenate([part[0] + i * movements for i in range(times)])
        columns = np.concatenate([part[1] + i * len(pieces.lanes) for i in range(times)])
        keep = rows < cut
        return rows[keep], columns[keep], np.tile(part[2], times)[keep]

    def named(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(f"{name}~{i}" for i in range(times) for name in names)

    line_of = [
        np.where(network.stop_line_of < 0, -1, network.stop_line_of + i * len(lines.lanes))
        for i in range(times)
    ]
    ids = tuple(replace(j, id=f"{j.id}~{i}") for i in range(times) for j in bank.junctions)
    return RoadNetwork(
        version=network.version,
        bank=SignalBank(ids[:junctions]),
        detectors=Detectors(
            EntityIds(named(pieces.ids.names)),
            named(pieces.lanes),
            np.tile(pieces.start_m, times),
            np.tile(pieces.end_m, times),
            np.tile(pieces.distance_m, times),
        ),
        stop_lines=StopLines(EntityIds(named(lines.ids.names)), named(lines.lanes)),
        feeds=triples(network.feeds),
        leaves=triples(network.leaves),
        stop_line_of=np.concatenate(line_of)[:cut],
        exit_room=np.tile(network.exit_room, times),
    )


def traffic(network: RoadNetwork, second: int, rng: np.random.Generator) -> list[Frame]:
    """Frames as a busy city sends them; what they say matters little to the time they cost."""
    at = CityTime(second * 1000)
    count = rng.integers(0, 12, len(network.detectors.lanes)).astype(np.uint16)
    queue = np.minimum(count, rng.integers(0, 6, len(count))).astype(np.uint16)
    passed = (rng.random(len(network.stop_lines.lanes)) < 0.2).astype(np.uint8)
    junctions = len(network.bank.junctions)
    phase = rng.integers(0, 2, junctions).astype(np.int8)
    zeros = np.zeros(junctions, dtype=np.int8)
    age = np.full(junctions, 20.0, dtype=np.float32)
    return [
        frame(
            "LaneDetector", "bench", at, network.detector_ids, vehicleCount=count, queueLength=queue
        ),
        frame("StopLineDetector", "bench", at, network.stop_line_ids, vehicleCount=passed),
        frame(
            "SignalController",
            "bench",
            at,
            network.controller_ids,
            phase=phase,
            stage=zeros,
            stageAge=age,
            inCharge=zeros,
        ),
    ]


def measure(network: RoadNetwork) -> tuple[float, float]:
    """Median and 99th percentile of frame to proposals, guard included, in ms."""
    guard = SignalGuard(network.bank, Limits())
    cycle = Cycle(loop, {"network": network}, guard, network.controller_ids, run="bench", epoch=1)
    modes = np.full(len(network.bank.junctions), Mode.ACT, dtype=np.int64)
    rng = np.random.default_rng(1)
    spans = []
    for second in range(1, TICKS + WARM_UP + 1):
        frames = traffic(network, second, rng)
        start = time.perf_counter()
        cycle.see(frames)
        done = cycle.tick(frames[0].observed_at, modes)
        spans.append((time.perf_counter() - start) * 1000)
        assert not done.failure, done.failure
        assert done.proposals is not None
        assert len(done.proposals) == len(modes)
    kept = np.array(spans[WARM_UP:])
    median, high = np.quantile(kept, [0.5, 0.99])
    return float(median), float(high)


def main() -> None:
    with TemporaryDirectory() as cache:
        scenario = build_tables(ROOT / "examples" / "hangzhou", Path(cache))
        small = read_network(scenario.net, min_green_s=10.0)
    results = []
    for network, limit_ms in ((small, 10.0), (copies(small, 1723), 50.0)):
        median, high = measure(network)
        name = f"frame to proposals, {len(network.bank.junctions)} junctions"
        results.append(Result(f"{name}, median", round(median, 3), "ms"))
        results.append(
            Result(f"{name}, p99", round(high, 3), "ms", limit_ms, round(high / limit_ms, 3))
        )
    record("traffic", *results)


if __name__ == "__main__":
    main()
