"""The hub's side of loops that run elsewhere: same decisions, leases, nothing from old epochs."""

import multiprocessing as mp
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from tests.kernel.lamps import KNOWS, LAMPS, LOOP, Fuse, Lamps, batch, respond

from cityloop.city.part_follower import Part, PartFollower
from cityloop.city.wire import (
    Fed,
    Found,
    LeaseAsked,
    Leased,
    Line,
    Message,
    Names,
    Remembered,
)
from cityloop.city.workers_desk import Ports, WorkersDesk
from cityloop.kernel.changes import Reject
from cityloop.kernel.clock import CityTime
from cityloop.kernel.frame import Array, EntityIds
from cityloop.kernel.loop import Ints, Mode
from cityloop.kernel.partition import Partition
from cityloop.kernel.ports import Position
from cityloop.kernel.runner import Runner
from cityloop.kernel.view import Memory, View

PARTS = [np.array([0, 2]), np.array([1])]


@dataclass(frozen=True)
class Glow:
    ids: EntityIds
    mean: Array


def analyse(view: View, memory: Memory, now: CityTime) -> tuple[Glow, Memory]:
    lamps: Lamps = view.knows["lamps"]
    mean = 0.9 * memory["mean"] + 0.1 * np.nan_to_num(view["lamps"]["illuminanceLevel"])
    return Glow(lamps.ids, mean), {"mean": mean}


def some(knows: Mapping[str, Any], rows: Ints) -> Mapping[str, Any]:
    return {"lamps": Lamps(EntityIds([knows["lamps"].ids.names[row] for row in rows.tolist()]))}


GLOW = replace(
    LOOP,
    start=lambda knows: {"mean": np.full(len(knows["lamps"].ids), 20.0)},
    analyse=analyse,
    respond=lambda glow: respond(glow.mean),
    partition=Partition("lamps.ids", some, Glow),
)


@dataclass
class Hub:
    """A runner whose loop runs elsewhere; what it refused, and where its log ends."""

    refused: list[Reject] = field(default_factory=list)
    epochs: int = 0

    def __post_init__(self) -> None:
        ports = Ports(
            next_epoch=self._next_epoch,
            kept=lambda _: None,
            keep=lambda *_: None,
            position=lambda *key: Position(key[2]),
            refuse=self._refuse,
            attend=lambda _: True,
        )
        self.desk = WorkersDesk([GLOW], KNOWS, lambda _: PARTS, ports, lockstep=True)
        self.runner = Runner([GLOW], KNOWS, Fuse(), LAMPS, workers=self.desk)
        self.desk.open(lambda: self.runner.watched, Position(0), ("lamps", "a", 1))

    def _next_epoch(self) -> int:
        self.epochs += 1
        return self.epochs

    def _refuse(self, rejects: Sequence[Reject]) -> None:
        self.refused.extend(rejects)


class Worker:
    """Runs both parts at the other end of a real line, in a thread."""

    def __init__(self, hub: Hub) -> None:
        ours, theirs = mp.Pipe()
        self._line, self._hub = Line(theirs), hub
        self.followers: dict[int, PartFollower] = {}
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._names: list[tuple[int, bytes]] = []
        self._ring: list[tuple[int, bytes]] = []
        for part in range(len(PARTS)):
            self._line.send(LeaseAsked(GLOW.name, part))
        hub.desk.greet(Line(ours))
        self._thread.start()

    def _serve(self) -> None:
        try:
            while True:
                self._take(self._line.receive())
        except (EOFError, OSError):
            return

    def _take(self, message: Message) -> None:
        match message:
            case Names():
                self._names.append((-1, message.body))
                for follower in self.followers.values():
                    follower.follow(self._names[-1:])
            case Fed():
                self._ring.append((message.number, message.body))
                for part in list(self.followers):
                    self._follow(part, self._ring[-1:])
            case Leased():
                knows = some(KNOWS, PARTS[message.part])
                follower = PartFollower(Part(GLOW, knows, self._hub.runner.watched, {}))
                follower.begin(message.epoch, message.state)
                follower.follow(self._names)
                self.followers[message.part] = follower
                self._follow(message.part, [i for i in self._ring if i[0] >= message.then])

    def _follow(self, part: int, items: list[tuple[int, bytes]]) -> None:
        epoch, told, kept = self.followers[part].follow(items)
        for number, body, failure in told:
            self._line.send(Found(GLOW.name, part, epoch, number, body, failure))
        for number, state in kept:
            self._line.send(Remembered(GLOW.name, part, epoch, number, state))

    def end(self) -> None:
        """As if killed."""
        self._line.hang_up()
        self._thread.join()
        self._line.close()


def modes(_: str) -> Ints:
    return np.full(3, Mode.ACT)


def decisions(runner: Runner, seconds: range) -> list[tuple[object, ...]]:
    rng = np.random.default_rng(seconds.start)
    made: list[tuple[object, ...]] = []
    for second in seconds:
        _, (done,) = runner.turn(batch(second, *rng.uniform(0, 40, 3)), modes)
        assert not done.failure
        if done.decisions is not None:
            made += zip(done.decisions.ids.names, *_columns(done.decisions), strict=True)
    return made


def _columns(decided: Any) -> list[list[object]]:
    return [decided[name].tolist() for name in ("action", "verdict", "reason", "inputs")]


def test_workers_that_die_again_and_again_decide_what_the_hub_alone_decides() -> None:
    alone, hub = Runner([GLOW], KNOWS, Fuse(), LAMPS), Hub()
    lives = [range(1, 30), range(30, 340), range(340, 700), range(700, 710)]
    expected = [decisions(alone, life) for life in lives]
    made = []
    for life in lives:
        worker = Worker(hub)
        made.append(decisions(hub.runner, life))
        worker.end()
    assert made == expected
    assert any(expected)


def test_what_comes_from_an_older_epoch_is_refused_and_kept() -> None:
    hub = Hub()
    first = Worker(hub)
    decisions(hub.runner, range(1, 5))
    zombie = Found(GLOW.name, 0, first.followers[0].epoch, 5, b"", "")
    first.end()
    second = Worker(hub)
    decisions(hub.runner, range(5, 8))
    hub.desk.take(zombie)
    second.end()
    (refused,) = hub.refused
    assert refused.source == "workers"
    assert refused.reason.endswith(f"this comes from epoch {zombie.epoch}.")
