"""The process that runs parts of loops on Ray (design, law 8: Ray shares no process with the hub).

One actor for each loop and part. Here is decided where each runs, and who takes the place of one
that died or does not answer; the hub grants the leases and has the last word on what counts.
"""

import os
import queue
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import structlog

from cityloop.city.clock import wall_time
from cityloop.city.installed import chosen_loops
from cityloop.city.journal import keep_journal
from cityloop.city.live_sensors import registered_sensors, stand_for
from cityloop.city.part_follower import Item, Kept, Part, PartFollower, Told
from cityloop.city.partitions import parts_of
from cityloop.city.ray_cluster import Node, RayCluster
from cityloop.city.site import Site
from cityloop.city.totals import VERSION_CHANGE
from cityloop.city.wire import (
    Fed,
    Found,
    LeaseAsked,
    Leased,
    Line,
    LoopChanged,
    Names,
    Ready,
    Remembered,
    WorkersHere,
    call,
)
from cityloop.city.workers_file import WorkerRow, forget_workers, write_workers
from cityloop.interconnection.tenant import open_tenant
from cityloop.kernel.loop import Ints, Loop
from cityloop.kernel.ports import Position
from cityloop.kernel.runner import watched_types
from cityloop.standards.arrow import ids_of, write_batch, write_ids

_log = structlog.get_logger()
_SILENT_S, _STARTING_S, _LINGER_S = 5.0, 60.0, 60.0
_AT_ONCE = 256
_LOOK_EVERY_S, _NODES_EVERY_S, _CALL_EVERY_S = 1.0, 5.0, 0.2


@dataclass(frozen=True, slots=True, eq=False)
class WorkersSpec:
    """All the process needs. ``hub``: the hub's socket; Ray's own lie beside it, as the path of a
    socket must be short."""

    site: Site
    hub: Path


@dataclass(slots=True, eq=False)
class Holder:
    """An actor on its way to a part, or at it. ``called_at``: since when an answer is awaited."""

    actor: Any
    node: Node
    called_at: float | None
    pid: int = 0
    epoch: int = 0
    live: bool = False


@dataclass(slots=True, eq=False)
class Post:
    """One part of a loop: who holds it, what it has yet to follow."""

    loop: Loop
    part: int
    rows: Ints
    holder: Holder | None = None
    items: deque[Item] = field(default_factory=deque)
    at: int = 0
    restarts: int = -1


Event = tuple[str, Any, Any]


class Workers:
    """Keeps a holder at every part. Single-threaded: whatever happens elsewhere is an event."""

    def __init__(self, spec: WorkersSpec, cluster: RayCluster) -> None:
        self._site = spec.site
        self._path = spec.hub
        self._cluster = cluster
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        city = spec.site.settings.city
        self._tenant = open_tenant(
            spec.site.root, city.tenant, wall_time, store=city.store, readonly=True
        )
        self._knows = {
            "network": spec.site.network,
            "devices": registered_sensors(spec.site.registered),
        }
        self._stand_for = stand_for(spec.site.placed, spec.site.network)
        installed = chosen_loops(spec.site.settings)
        self._installed = {one.chosen.name: one for one in installed}
        self._running = {one.chosen.name: one.chosen for one in installed}
        self._posts: dict[tuple[str, int], Post] = {}
        self._left: list[tuple[Holder, Post, float]] = []
        self._line: Line | None = None
        self._names: list[Item] = []
        self._ring: deque[Item] = deque()
        self._number = 0
        self._nodes: list[Node] = cluster.nodes()
        self._nodes_at = 0.0
        for one in installed:
            self._man(one.chosen)

    def _man(self, loop: Loop) -> None:
        for part, rows in enumerate(parts_of(self._site, loop)):
            self._posts[loop.name, part] = Post(loop, part, rows)

    # the loop

    def serve(self, supervisor: Line) -> None:
        """Until the supervisor says stop or is gone."""
        threading.Thread(target=self._hear_end, args=(supervisor,), daemon=True).start()
        look_at = 0.0
        while True:
            now = time.monotonic()
            if self._line is None:
                self._call()
            if now >= look_at:
                look_at = now + _LOOK_EVERY_S
                self._look(now)
            try:
                kind, about, what = self._events.get(
                    timeout=_CALL_EVERY_S if self._line is None else _LOOK_EVERY_S
                )
            except queue.Empty:
                continue
            if kind == "end":
                return
            self._take(kind, about, what)

    def _hear_end(self, supervisor: Line) -> None:
        try:
            supervisor.receive()
        except (EOFError, OSError):
            _log.debug("the supervisor is gone")
        self._events.put(("end", None, None))

    def _call(self) -> None:
        """Reach the hub; a new one, so every part begins anew from its checkpoint."""
        try:
            line = call(self._path)
            line.send(WorkersHere())
        except OSError:
            return
        self._line = line
        self._names.clear()
        self._ring.clear()
        self._number = 0
        for post in self._posts.values():
            post.items.clear()
            if post.holder is None or not post.holder.pid:
                continue  # it asks when it is up
            if post.holder.called_at is None:
                self._ask(post)
            else:
                self._let_go(post)  # it is busy with what the hub before this one said
        threading.Thread(target=self._hear_hub, args=(line,), daemon=True).start()

    def _hear_hub(self, line: Line) -> None:
        try:
            while True:
                self._events.put(("hub", line, line.receive()))
        except (EOFError, OSError):
            self._events.put(("gone", line, None))

    def _take(self, kind: str, about: Any, what: Any) -> None:
        match kind:
            case "hub" if about is self._line:
                self._hear(what)
            case "gone" if about is self._line:
                self._lose_hub()
            case "up":
                self._up(about[0], about[1], what)
            case "caught up":
                self._caught_up(about[0], about[1], what)
            case "answer":
                self._answered(about[0], about[1], what)
            case "failed":
                self._failed(about[0], about[1], what)

    def _lose_hub(self) -> None:
        _log.warning("the hub is away; parts wait for the next")
        self._line = None
        for post in self._posts.values():
            if post.holder is not None:
                post.holder.live = False

    def _send(self, message: Any) -> None:
        if self._line is not None:
            try:
                self._line.send(message)
            except OSError:
                _log.debug("a message found no hub")

    # what the hub says

    def _hear(self, message: Any) -> None:
        match message:
            case Names():
                self._names.append((-1, message.body))
                self._pass_on((-1, message.body))
            case Fed():
                self._number = message.number
                self._ring.append((message.number, message.body))
                while self._ring[0][0] < message.first:
                    self._ring.popleft()
                self._pass_on((message.number, message.body))
            case Leased():
                self._leased(message)
            case LoopChanged():
                for post in [p for p in self._posts.values() if p.loop.name == message.loop]:
                    self._let_go(post)

    def _pass_on(self, item: Item) -> None:
        for post in self._posts.values():
            if post.holder is not None and post.holder.live:
                post.items.append(item)
                self._move(post)

    def _leased(self, lease: Leased) -> None:
        post = self._posts[lease.loop, lease.part]
        holder = post.holder
        if holder is None or holder.called_at is not None:
            return
        version = self._installed[lease.loop].version(lease.version)
        if version is not None and version is not post.loop:
            post.loop = self._running[lease.loop] = version
            self._let_go(post)
            return
        holder.epoch = lease.epoch
        self._call_actor(holder, post, "caught up", lambda: self._catch_up(holder, post, lease))

    def _catch_up(self, holder: Holder, post: Post, lease: Leased) -> Any:
        """In a thread: have an actor take up its memory and what the log holds since."""
        import ray

        begun: Any = holder.actor.begin.remote(lease.epoch, lease.state)
        ray.get(begun)
        if lease.after < lease.until:
            for items in self._logged(Position(lease.after), Position(lease.until)):
                ray.get(holder.actor.follow.remote(items))
        return lease.then

    def _logged(self, after: Position, until: Position) -> Iterator[list[Item]]:
        named: set[bytes] = set()
        items: list[Item] = []
        kinds = {*watched_types(self._running.values()), VERSION_CHANGE}
        for commit in self._tenant.log.read(after, until):
            batch = commit.batch
            frames = tuple(part for part in batch.frames if part.type in kinds)
            rows = tuple(part for part in batch.rows if part.type in kinds)
            if not (frames or rows):
                continue
            fed = replace(batch, frames=frames, rows=rows, changes=(), writes=())
            for digest, ids in ids_of(fed).items():
                if digest not in named:
                    named.add(digest)
                    items.append((-1, write_ids(ids)))
            items.append((0, write_batch(fed)))
            if len(items) >= _AT_ONCE:
                yield items
                items = []
        if items:
            yield items

    # actors

    def _start(self, post: Post) -> None:
        node = self._place()
        loop = post.loop
        if loop.partition is None:
            raise TypeError(f"{loop.name} declares no partition, so it runs in the hub")
        knows = loop.partition.halo(self._knows, post.rows)
        watched = watched_types(self._running.values())
        part = Part(loop, dict(knows), watched, self._stand_for)
        actor = self._cluster.start(PartFollower, node, part)
        post.holder = holder = Holder(actor, node, None)
        post.restarts += 1
        self._call_actor(holder, post, "up", actor.process.remote)

    def _place(self) -> Node:
        """The node with the fewest parts for its processors."""
        held = [post.holder.node.id for post in self._posts.values() if post.holder is not None]
        return min(self._nodes, key=lambda n: (held.count(n.id) + 1) / max(n.cpus, 1.0))

    def _call_actor(self, holder: Holder, post: Post, kind: str, ask: Callable[[], Any]) -> None:
        """Ask without waiting; the answer comes as an event."""
        holder.called_at = time.monotonic()
        about = holder, post
        if kind == "caught up":
            threading.Thread(target=self._in_thread, args=(kind, about, ask), daemon=True).start()
            return
        future = ask().future()
        future.add_done_callback(lambda done: self._events.put(_event(kind, about, done)))

    def _in_thread(self, kind: str, about: Any, ask: Callable[[], Any]) -> None:
        import ray

        try:
            self._events.put((kind, about, ask()))
        except ray.exceptions.RayError as error:
            self._events.put(("failed", about, error))

    def _up(self, holder: Holder, post: Post, what: tuple[int, str]) -> None:
        holder.called_at, holder.pid = None, what[0]
        if post.holder is holder:
            self._ask(post)

    def _ask(self, post: Post) -> None:
        self._send(LeaseAsked(post.loop.name, post.part))

    def _caught_up(self, holder: Holder, post: Post, then: int) -> None:
        holder.called_at = None
        if post.holder is not holder:
            return
        holder.live = True
        post.items.clear()
        post.items.extend(self._names)
        post.items.extend(item for item in self._ring if item[0] >= then)
        self._move(post)

    def _move(self, post: Post) -> None:
        holder = post.holder
        if holder is None or not holder.live or holder.called_at is not None or not post.items:
            return
        items = [post.items.popleft() for _ in range(min(_AT_ONCE, len(post.items)))]
        last = max(number for number, _ in items)
        post.at = max(post.at, last) if last > 0 else post.at
        self._call_actor(holder, post, "answer", lambda: holder.actor.follow.remote(items))

    def _answered(
        self, holder: Holder, post: Post, answer: tuple[int, list[Told], list[Kept]]
    ) -> None:
        holder.called_at = None
        epoch, told, kept = answer
        loop, part = post.loop.name, post.part
        # What one says that was replaced goes to the hub as well: it refuses it, and keeps that.
        for number, body, failure in told[-1:]:
            self._send(Found(loop, part, epoch, number, body, failure))
        for number, state in kept:
            self._send(Remembered(loop, part, epoch, number, state))
        if post.holder is holder:
            self._move(post)
        else:
            self._cluster.kill(holder.actor)

    def _failed(self, holder: Holder, post: Post, error: BaseException) -> None:
        if post.holder is holder:
            why = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            _log.error("a worker ended; another takes its part", loop=post.loop.name, why=why)
            self._lose(post)

    def _lose(self, post: Post) -> None:
        post.holder = None
        post.items.clear()
        self._nodes = self._cluster.nodes() or self._nodes
        self._start(post)

    def _let_go(self, post: Post) -> None:
        """Replace a holder that still lives; its epoch ends with the next lease."""
        if post.holder is not None:
            self._left.append((post.holder, post, time.monotonic() + _LINGER_S))
        self._lose(post)

    # who runs what

    def _look(self, now: float) -> None:
        for post in list(self._posts.values()):
            self._look_at(post, now)
        self._reap(now)
        if now >= self._nodes_at:
            self._nodes_at = now + _NODES_EVERY_S
            self._balance()
        self._note()

    def _look_at(self, post: Post, now: float) -> None:
        holder = post.holder
        if holder is None:
            self._start(post)
        elif holder.called_at is not None:
            patience_s = _SILENT_S if holder.live else _STARTING_S
            if now - holder.called_at > patience_s:
                _log.error("a worker does not answer; another takes its part", pid=holder.pid)
                self._let_go(post)

    def _reap(self, now: float) -> None:
        for left in [left for left in self._left if now >= left[2] or left[0].called_at is None]:
            self._left.remove(left)
            self._cluster.kill(left[0].actor)

    def _balance(self) -> None:
        """Where a machine has come, parts move to it from the fullest."""
        nodes = self._cluster.nodes()
        if not nodes or {n.id for n in nodes} == {n.id for n in self._nodes}:
            return
        self._nodes = nodes
        _log.info("the machines of the cluster changed", nodes=len(nodes))
        for _ in self._posts:
            fullest = max(nodes, key=lambda n: len(self._held(n)) / max(n.cpus, 1.0))
            held = self._held(fullest)
            best = min((len(self._held(n)) + 1) / max(n.cpus, 1.0) for n in nodes)
            if best >= len(held) / max(fullest.cpus, 1.0):
                return
            self._let_go(held[-1])

    def _held(self, node: Node) -> list[Post]:
        return [p for p in self._posts.values() if p.holder and p.holder.node.id == node.id]

    def _note(self) -> None:
        rows = [self._row(post) for post in self._posts.values()]
        write_workers(self._site.folder, rows)

    def _row(self, post: Post) -> WorkerRow:
        holder = post.holder
        live = holder is not None and holder.live
        return WorkerRow(
            loop=post.loop.name,
            part=post.part,
            entities=len(post.rows),
            state="live" if live else "starting",
            node="" if holder is None else holder.node.address,
            pid=0 if holder is None else holder.pid,
            epoch=0 if holder is None else holder.epoch,
            at=post.at,
            lag=max(0, self._number - post.at),
            restarts=max(0, post.restarts),
        )

    def close(self) -> None:
        """Leave the cluster; what it says of itself ends with it."""
        forget_workers(self._site.folder)
        self._tenant.close()
        self._cluster.close()


def _event(kind: str, about: Any, done: Any) -> Event:
    error = done.exception()
    return (kind, about, done.result()) if error is None else ("failed", about, error)


def main(spec: WorkersSpec, supervisor: "Connection[Any, Any]") -> None:
    """Serve until told to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_journal()
    line = Line(supervisor)
    began = time.monotonic()
    cluster = RayCluster(spec.site.settings.city.workers, spec.hub.parent / "ray")
    _log.info("Ray is there", took_s=round(time.monotonic() - began, 1), pid=os.getpid())
    workers = Workers(spec, cluster)
    line.send(Ready())
    try:
        workers.serve(line)
    finally:
        workers.close()
        os._exit(0)  # Ray's own farewell would look for a cluster that is gone
