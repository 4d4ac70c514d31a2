"""Compare what a city answered with what it holds: plain Python that imports nothing of the city.

Reads lines of JSON that those around the city wrote while it was being killed, one event each:

- ``{"e": "sent", "k": KEY, "v": N}``: a writer began to say value N of a key; ``acked``: the city
  answered that it is safe. Values of a key rise by one from 1. What was sent and never acknowledged
  may be there or not; what was acknowledged the city owes.
- ``{"e": "read", "who": READER, "k": KEY, "v": N, "least": M}``: a reader saw N; M is the newest
  value that had been acknowledged before it asked.
- ``{"e": "heard", "s": SUBSCRIPTION, "k": KEY, "v": N}``: a subscriber was told.
- ``{"e": "now", "k": KEY, "v": N}`` and ``{"e": "past", "k": KEY, "v": N}``: what context and
  history held in the end, the past in the order it was told.
- ``{"e": "act", "id": ID, "actuator": A, "at": TIME}``: a decision that went to an actuator.

Usage: python -m scripts.faults.check FILE...  (exit code 1 when something is found)
"""

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

Event = dict[str, Any]


@dataclass
class Findings:
    """What was counted, and a line for each thing that is wrong."""

    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    reordered: list[str] = field(default_factory=list)
    resurrected: list[str] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)
    double_acts: list[str] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """The figures for a report."""
        return {
            name: value if isinstance(value, int) else len(value)
            for name, value in vars(self).items()
        }

    def faults(self) -> list[str]:
        """All that is wrong, in words."""
        return [line for value in vars(self).values() if isinstance(value, list) for line in value]


def check(events: Iterable[Event]) -> Findings:
    """All checks over all events; those of one writer, reader or subscriber in their order."""
    by_kind: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        by_kind[event["e"]].append(event)
    found = Findings()
    acked: dict[str, set[int]] = defaultdict(set)
    sent: dict[str, set[int]] = defaultdict(set)
    for kind, values in (("acked", acked), ("sent", sent)):
        for event in by_kind[kind]:
            values[event["k"]].add(event["v"])
    found.acknowledged = sum(map(len, acked.values()))
    _check_past(found, by_kind["past"], acked, sent)
    _check_now(found, by_kind["now"], acked, sent)
    _check_reads(found, by_kind["read"], sent)
    _check_told(found, by_kind["heard"], acked)
    _check_acts(found, by_kind["act"])
    return found


def _check_past(
    found: Findings, past: list[Event], acked: dict[str, set[int]], sent: dict[str, set[int]]
) -> None:
    """Each acknowledged value once, in order, and none that nobody sent."""
    held: dict[str, list[int]] = defaultdict(list)
    for event in past:
        held[event["k"]].append(event["v"])
    for key, owed in acked.items():
        counts = Counter(held[key])
        found.lost += [f"history: {key} = {v} was acknowledged" for v in sorted(owed - set(counts))]
        found.duplicated += [f"history: {key} = {v}, {n} times" for v, n in counts.items() if n > 1]
        strange = set(counts) - sent[key]
        found.resurrected += [f"history: {key} = {v}, which nobody sent" for v in sorted(strange)]
        found.reordered += _falls("history", key, held[key])


def _falls(where: str, key: str, values: list[int]) -> list[str]:
    pairs = pairwise(values)
    return [f"{where}: {key} = {after} after {before}" for before, after in pairs if after < before]


def _check_now(
    found: Findings, now: list[Event], acked: dict[str, set[int]], sent: dict[str, set[int]]
) -> None:
    """The newest value: that acknowledged last, or one that was sent after it."""
    held = {event["k"]: event["v"] for event in now}
    for key, owed in acked.items():
        value = held.get(key)
        if value is None or value < max(owed):
            found.lost.append(f"context: {key} = {value}, though {max(owed)} was acknowledged")
        elif value not in sent[key]:
            found.resurrected.append(f"context: {key} = {value}, which nobody sent")


def _check_reads(found: Findings, reads: list[Event], sent: dict[str, set[int]]) -> None:
    """A reader never sees less than what was acknowledged before it asked, nor than it saw."""
    newest: dict[tuple[str, str], int] = {}
    for event in reads:
        who, key, value = event["who"], event["k"], event["v"]
        if value < event["least"]:
            found.lost.append(
                f"{who} read {key} = {value}, though {event['least']} was acknowledged"
            )
        if value < newest.get((who, key), 0):
            found.resurrected.append(f"{who} read {key} = {value} after {newest[who, key]}")
        if value and value not in sent[key]:
            found.resurrected.append(f"{who} read {key} = {value}, which nobody sent")
        newest[who, key] = max(value, newest.get((who, key), 0))


def _check_told(found: Findings, heard: list[Event], acked: dict[str, set[int]]) -> None:
    """A subscriber of writes is told each of them; one of sources ("newest") the last one.

    What is told again is no fault (at least once), but nothing older may come for the first time.
    """
    told: dict[tuple[str, str], list[int]] = defaultdict(list)
    for event in heard:
        told[event["s"], event["k"]].append(event["v"])
    for (who, key), values in told.items():
        owed = {max(acked[key], default=0)} if who.startswith("newest") else acked[key]
        missed = sorted(owed - set(values) - {0})
        found.untold += [f"{who} was not told {key} = {value}" for value in missed]
        firsts = list(dict.fromkeys(values))
        found.reordered += _falls(who, key, firsts)


def _check_acts(found: Findings, acts: list[Event]) -> None:
    """No decision is carried out twice, and no actuator is moved twice at one moment."""
    for what in (lambda act: act["id"], lambda act: (act["actuator"], act["at"])):
        counts = Counter(map(what, acts))
        found.double_acts += [f"{name}: {n} times" for name, n in counts.items() if n > 1]


def events_of(*files: Path) -> Iterator[Event]:
    """The events of some files, a broken last line (of a killed writer) left out."""
    for path in files:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                if line.endswith("\n"):
                    yield json.loads(line)


def main() -> int:
    """Check the files named on the command line."""
    found = check(events_of(*map(Path, sys.argv[1:])))
    print(json.dumps(found.counts()))
    for line in found.faults():
        print(line)
    return 1 if found.faults() else 0


if __name__ == "__main__":
    sys.exit(main())
