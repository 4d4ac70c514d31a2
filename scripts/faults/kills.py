"""Kill a running city again and again, and count what that cost: ``make faults``.

    python -m scripts.faults.kills [--kills 200] [--shim] [--seed 1] [--out build/faults.json]

A city with a twin, a loop that acts, counters that post, clients and subscribers of the NGSI-LD
API. At random moments a random one of its processes, or all at once, gets kill -9; with ``--shim``
all at once is a power cut: what was not fsynced is gone (``powercut``). With ``--store postgresql``
its server is killed, too (that one's disk loses nothing). Afterwards ``check`` compares what
writers, readers and subscribers noted with what the city holds, and loops' memory with that of a
run that was never broken. Exit code 1 when anything is wrong.
"""

import argparse
import csv
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import psutil
from scripts.faults.check import Event, check, events_of
from scripts.faults.crowd import API, NOTE, Crowd, Record, subscribe, subscriber, wait
from scripts.faults.powercut import PowerCut
from scripts.faults.preloaded import has_compiler
from scripts.faults.town import ATTRIBUTE, TYPE, build_city, free_port
from scripts.servers.postgres import Postgres, postgres
from tests.faults.memory import memory_differs
from tests.faults.running import RunningCity, until

ALL, DATABASE = "all", "postgres"
SERVICES = ("hub", "web", "intake", "worker", "twin")
CHILDREN = {"notifier": "notifier_process", "history": "history_process"}
_READY_S, _RECOVERY_S, _GAP_S = 180.0, 300.0, 1.5
_RUN = ("--speed", "20", "--no-baseline")


@dataclass
class Tally:
    """Kills by component, and how long each took to mend [s]."""

    recovery_s: dict[str, list[float]] = field(default_factory=dict)
    undone: int = 0

    def add(self, name: str, seconds: float) -> None:
        """One kill of a component."""
        self.recovery_s.setdefault(name, []).append(seconds)


class Victim:
    """The city, started as often as it takes."""

    def __init__(self, folder: Path, *, shim: bool, server: Postgres | None = None) -> None:
        self.door, self.port = free_port(), free_port()
        self._server = server
        url = server.create("city") if server is not None else None
        self.home = build_city(folder / "city", self.door, url)
        self.data = folder / "data"
        self.base = f"http://127.0.0.1:{self.port}"
        self._power = PowerCut(self.data, folder / "journal") if shim else None
        self.city = self._started()

    def _started(self) -> RunningCity:
        environment = self._power.environment() if self._power else {}
        environment |= self._server.environment if self._server else {}
        return RunningCity(self.data, self.port, *_RUN, city=self.home, environment=environment)

    def ready(self) -> None:
        """Wait until all parts do their work."""

        def look() -> bool | None:
            if self.city.process.poll() is not None:
                raise RuntimeError("the city ended by itself; its stderr says why")
            return True if self.city.get("/health/ready") else None

        until("the city", look, _READY_S)

    def kill(self, name: str, seed: int) -> int:
        """Kill it; what the disk lost of changes. -1 where no such process runs at present."""
        if name == ALL:
            self.city.kill_all()
            undone = self._power.cut(seed if seed % 2 else None) if self._power else 0
            self.city = self._started()
            return undone
        if name == DATABASE and self._server is not None:
            self._server.stop("immediate")  # kill -9 of all its processes, and they are gone
            self._server.start()
            return 0
        found = self.city.children(CHILDREN.get(name, ""))
        if name in SERVICES:  # of our own family alone: a number may be another's by now
            found = [child for child in found if child.pid == self.city.pids().get(name)]
        if not found:
            return -1
        found[0].kill()
        return 0

    def is_whole(self) -> bool:
        """Whether every process that the supervisor keeps runs."""
        pids = self.city.pids()
        return all(name in pids and psutil.pid_exists(pids[name]) for name in SERVICES)

    def decisions(self) -> int:
        """Decisions made so far; -1 while nobody answers."""
        summary: dict[str, Any] | None = self.city.get("/api/summary")
        return -1 if summary is None else int(summary["decisions_total"])


def victims(kills: int, chance: random.Random, *more: str) -> list[str]:
    """Whom to kill: each once, then as chance has it. ``more``: beside the city's processes."""
    names = (*SERVICES, *CHILDREN, ALL, *more)
    return [*names, *chance.choices(names, k=max(0, kills - len(names)))][:kills]


def kill_often(victim: Victim, crowd: Crowd, names: Sequence[str], chance: random.Random) -> Tally:
    """The loop: a random pause, a kill, then wait until all get on again."""
    tally = Tally()
    for number, name in enumerate(names):
        time.sleep(chance.uniform(0.0, _GAP_S))
        began = time.monotonic()
        undone = victim.kill(name, chance.randrange(1 << 30))
        if undone < 0:  # it has nothing to do at present, so it does not run
            victim.kill("hub", 0)
        tally.undone += max(undone, 0)
        _recover(victim, crowd)
        seconds = time.monotonic() - began
        tally.add("hub" if undone < 0 else name, seconds)
        print(f"{number + 1:4d} {name:8s} {seconds:6.2f} s", flush=True)
    return tally


def _recover(victim: Victim, crowd: Crowd) -> None:
    """Wait until all processes run, everybody of the crowd got through, and the loop decides."""
    before, decided = crowd.progress(), -1

    def gets_on() -> bool:
        nonlocal decided
        if any(now < then + 2 for now, then in zip(crowd.progress(), before, strict=True)):
            return False
        if not victim.is_whole():
            return False
        made = victim.decisions()
        decided = made if decided < 0 else decided
        return made > decided >= 0

    try:
        wait("everybody to get on", gets_on, _RECOVERY_S)
    except TimeoutError as error:
        stuck = [m.name for m, then in zip(crowd.members, before, strict=True) if m.done < then + 2]
        pids, made = victim.city.pids(), victim.decisions()
        raise RuntimeError(f"{error}: stuck {stuck}, processes {pids}, decisions {made}") from None


def held(victim: Victim, notes: list[str]) -> Iterator[Event]:
    """What context, history and the record of decisions hold in the end, by the public API."""
    with httpx.Client(base_url=victim.base, timeout=120) as client:
        for type_, attribute in ((TYPE, ATTRIBUTE), (NOTE, "level")):
            query = {"type": type_, "limit": "1000", "options": "simplified"}
            for entity in _good(client.get(f"{API}/entities", params=query)).json():
                yield {"e": "now", "k": entity["id"], "v": int(entity[attribute])}
        table = _good(client.get("/api/export/observations.csv")).text
        rows = [row for row in csv.DictReader(table.splitlines()) if row["attribute"] == ATTRIBUTE]
        for row in sorted(rows, key=lambda row: row["at"]):
            yield {"e": "past", "k": row["id"], "v": int(float(row["value"]))}
        for id_ in notes:
            for value in _instances(client, id_):
                yield {"e": "past", "k": id_, "v": value}
        for run in _good(client.get("/api/history/runs")).json():
            query = {"run": run["run"]}
            table = _good(client.get("/api/export/decisions.csv", params=query)).text
            for row in csv.DictReader(table.splitlines()):
                if row["verdict"] == "passed" and row["mode"] == "act":
                    at = f"{row['city_time']} {row['loop']} {row['action']}"
                    yield {"e": "act", "id": row["id"], "actuator": row["junction"], "at": at}


def _instances(client: httpx.Client, id_: str) -> list[int]:
    """All that the past of an entity tells of ``level``, oldest first, page by page."""
    values: list[int] = []
    query = {"attrs": "level", "options": "temporalValues"}
    since = "1970-01-01T00:00:00Z"
    while True:
        window = query | {"timerel": "after", "timeAt": since}
        answer = _good(client.get(f"{API}/temporal/entities/{id_}", params=window))
        told = answer.json().get("level", {"values": []})["values"]
        told = told if told and isinstance(told[0], list) else [told] if told else []
        # A page begins with the last instance of the one before.
        values += [int(value) for value, at in told if not (values and at == since)]
        if answer.status_code != 206 or not told:
            return values
        since = max(at for _, at in told)


def _good(answer: httpx.Response) -> httpx.Response:
    answer.raise_for_status()
    return answer


def run(
    folder: Path,
    names: Sequence[str],
    *,
    shim: bool,
    seed: int = 1,
    server: Postgres | None = None,
) -> dict[str, Any]:
    """Build a city, kill these of its processes in turn, check; the report."""
    folder.mkdir(parents=True, exist_ok=True)
    events = folder / "events.jsonl"
    record = Record(events)
    victim = Victim(folder, shim=shim, server=server)
    try:
        victim.ready()
        with ExitStack() as opened:
            for name, type_, attribute in (
                ("newest-counters", TYPE, ATTRIBUTE),
                ("each-note", NOTE, "level"),
            ):
                uri = opened.enter_context(subscriber(name, attribute, record))
                subscribe(victim.base, name, type_, attribute, uri)
            crowd = Crowd(victim.base, victim.door, record)
            crowd.start()
            _recover(victim, crowd)
            tally = kill_often(victim, crowd, names, random.Random(seed))
            _recover(victim, crowd)
            crowd.stop()
            _settle(events)
            notes = [key for key in record.acked if f":{NOTE}:" in key]
            with events.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(event) + "\n" for event in held(victim, notes))
        victim.city.stop()
    finally:
        victim.city.kill_all()
        record.close()
    differs = memory_differs(victim.home, victim.data)
    return _report(tally, events, differs) | {
        "seed": seed,
        "shim": shim,
        "store": "postgresql" if server else "sqlite",
    }


def _settle(events: Path) -> None:
    """Wait until subscribers were told all they are owed."""
    deadline = time.monotonic() + 60
    while check(events_of(events)).untold and time.monotonic() < deadline:
        time.sleep(0.5)


def _report(tally: Tally, events: Path, differs: list[str]) -> dict[str, Any]:
    found = check(events_of(events))
    times = sorted(second for each in tally.recovery_s.values() for second in each)
    return {
        "kills": len(times),
        **found.counts(),
        "memory_differs": differs,
        "undone_by_power_cuts": tally.undone,
        "recovery_p50_s": round(median(times), 2) if times else None,
        "recovery_max_s": round(times[-1], 2) if times else None,
        "components": {
            name: {
                "kills": len(each),
                "p50_s": round(median(each), 2),
                "max_s": round(max(each), 2),
            }
            for name, each in sorted(tally.recovery_s.items())
        },
        "faults": [*found.faults()[:50], *differs],
    }


def _times(each: list[float]) -> dict[str, float]:
    return {"kills": len(each), "p50_s": round(median(each), 2), "max_s": round(max(each), 2)}


def main() -> int:
    """The command line."""
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    asked.add_argument("--kills", type=int, default=200)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--shim", action="store_true", help="all at once is a power cut")
    asked.add_argument("--store", default="sqlite", choices=("sqlite", "postgresql"))
    asked.add_argument("--out", type=Path, default=Path("build/faults.json"))
    asked.add_argument("--keep", action="store_true", help="leave the city's folder behind")
    given = asked.parse_args()
    if given.shim and not has_compiler():
        sys.exit("power cuts take gcc: install the Debian package gcc, or leave --shim out")
    folder = Path(tempfile.mkdtemp(prefix="cityloop-faults-"))
    chance = random.Random(given.seed)
    try:
        if given.store == "sqlite":
            report = run(folder, victims(given.kills, chance), shim=given.shim, seed=given.seed)
        else:
            with postgres(folder / "postgres") as server:
                os.environ |= server.environment
                names = victims(given.kills, chance, DATABASE)
                report = run(folder, names, shim=given.shim, seed=given.seed, server=server)
    finally:
        if given.keep:
            print(f"left in {folder}")
        else:
            shutil.rmtree(folder)
    given.out.parent.mkdir(exist_ok=True)
    given.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=2))
    return 1 if report["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
