"""Two workers on Ray against one: how many ticks a second a loop makes in one part and in two.

    python -m benchmarks.workers [JUNCTIONS]

The signal loop over copies of Hangzhou's network side by side (16 junctions each; 320 unless
JUNCTIONS says otherwise), fed the same frames. One actor does the whole, two do half each; both get
16 batches in a call, as where a twin runs ahead. CPU seconds of the actors stand beside the wall's:
where their sum stays the same and the wall does not fall, the cores were not free.
"""

import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.record import Result, record
from cityloop.city.build import build_site
from cityloop.city.part_follower import Item, Part, PartFollower
from cityloop.city.ray_cluster import LOCAL, RayCluster
from cityloop.domains.mobility.signal_timing import loop
from cityloop.kernel.clock import CityTime
from cityloop.kernel.frame import Column, EntityIds, Frame
from cityloop.kernel.partition import dealt, ids_named
from cityloop.kernel.ports import Batch
from cityloop.kernel.runner import watched_types
from cityloop.standards.arrow import ids_of, write_batch, write_ids
from cityloop.standards.network import RoadNetwork
from cityloop.standards.signals import SignalBank

HANGZHOU = Path(__file__).resolve().parents[1] / "examples" / "hangzhou"
BATCHES, AT_ONCE = 192, 16


def repeated(network: RoadNetwork, times: int) -> RoadNetwork:
    """``times`` copies of ``network``, unconnected."""
    j, _, width = network.bank.shape
    d, s = len(network.detectors.lanes), len(network.stop_lines.lanes)

    def names(ids: EntityIds) -> EntityIds:
        return EntityIds([f"{name}~{n}" for n in range(times) for name in ids])

    def lanes(of: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(f"{name}~{n}" for n in range(times) for name in of)

    def triples(of: Any) -> Any:
        rows = np.concatenate([of[0] + n * j * width for n in range(times)])
        columns = np.concatenate([of[1] + n * d for n in range(times)])
        return rows, columns, np.tile(of[2], times)

    junctions = tuple(
        replace(one, id=f"{one.id}~{n}") for n in range(times) for one in network.bank.junctions
    )
    lines = np.concatenate(
        [np.where(network.stop_line_of < 0, -1, network.stop_line_of + n * s) for n in range(times)]
    )
    pieces = network.detectors
    return replace(
        network,
        bank=SignalBank(junctions),
        detectors=replace(
            pieces,
            ids=names(pieces.ids),
            lanes=lanes(pieces.lanes),
            start_m=np.tile(pieces.start_m, times),
            end_m=np.tile(pieces.end_m, times),
            distance_m=np.tile(pieces.distance_m, times),
        ),
        stop_lines=replace(
            network.stop_lines,
            ids=names(network.stop_lines.ids),
            lanes=lanes(network.stop_lines.lanes),
        ),
        feeds=triples(network.feeds),
        leaves=triples(network.leaves),
        stop_line_of=lines,
        exit_room=np.tile(network.exit_room, times),
    )


def items(network: RoadNetwork) -> list[Item]:
    """The frames of ``BATCHES`` seconds, as the hub hands them over."""
    rng, made, named = np.random.default_rng(1), [], set()
    for second in range(1, BATCHES + 1):
        frames = []
        for watch in loop.watches.values():
            ids = ids_named(watch.rows, {"network": network})
            columns = {a: Column(rng.integers(0, 3, len(ids)) * 1.0) for a in watch.attributes}
            frames.append(Frame(watch.type, "bench", CityTime(second * 1000), ids, columns))
        batch = Batch("bench", "bench", second, tuple(frames))
        for digest, ids in ids_of(batch).items():
            if digest not in named:
                named.add(digest)
                made.append((-1, write_ids(ids)))
        made.append((second, write_batch(batch)))
    return made


def measure(cluster: RayCluster, network: RoadNetwork, fed: list[Item], parts: int) -> Any:
    """Ticks per second of ``parts`` actors, and the CPU seconds that they took for a tick."""
    import ray

    if loop.partition is None:
        raise TypeError("the loop declares no partition")
    knows = {"network": network}
    watched = watched_types([loop])
    node = cluster.nodes()[0]
    actors = [
        cluster.start(PartFollower, node, Part(loop, loop.partition.halo(knows, rows), watched, {}))
        for rows in dealt(np.arange(len(network.bank.junctions)), parts)
    ]
    pids = [pid for pid, _ in ray.get([actor.process.remote() for actor in actors])]
    ray.get([actor.follow.remote(fed[:AT_ONCE]) for actor in actors])  # caches are warm then
    cpu = _cpu_s(pids)
    began = time.perf_counter()
    done = [
        actor.follow.remote(fed[at : at + AT_ONCE])
        for at in range(AT_ONCE, len(fed), AT_ONCE)
        for actor in actors
    ]
    ray.get(done)
    took, ticks = time.perf_counter() - began, len(fed) - AT_ONCE
    used = _cpu_s(pids) - cpu
    for actor in actors:
        cluster.kill(actor)
    return ticks / took, used / ticks


def _cpu_s(pids: list[int]) -> float:
    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return sum(one.user + one.system for one in times)


def main() -> None:
    """Measure and record."""
    junctions = int(sys.argv[1]) if len(sys.argv) > 1 else 320
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        one = build_site(HANGZHOU, Path(folder)).network
        network = repeated(one, max(1, junctions // len(one.bank.junctions)))
        fed = items(network)
        began = time.perf_counter()
        cluster = RayCluster(LOCAL, Path(folder) / "ray")
        start_s = time.perf_counter() - began
        try:
            measured = [(measure(cluster, network, fed, 1), measure(cluster, network, fed, 2))]
            measured.append((measure(cluster, network, fed, 1), measure(cluster, network, fed, 2)))
        finally:
            cluster.close()
    (alone, alone_cpu), (both, both_cpu) = max(measured, key=lambda m: m[1][0] / m[0][0])
    record(
        "workers",
        Result(f"ticks/s, two workers, {junctions} junctions", both, "1/s", alone, both / alone),
        Result("CPU s of the actors for a tick, two", both_cpu, "s", alone_cpu),
        Result("start of the cluster", start_s, "s"),
        Result("load of the machine", os.getloadavg()[0], "1"),
    )


if __name__ == "__main__":
    main()
