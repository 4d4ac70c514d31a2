"""What subscriptions make of a commit: it is matched with them and told of in the outbox.

They are a fold of the log like any other: what a commit triggers is written within the transaction
that takes it in, so after a crash nothing is missing and nothing is there twice.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cityloop.interconnection.broker.dispatch import Delivery, Dispatch, Notifier
from cityloop.interconnection.broker.held import Written
from cityloop.interconnection.broker.matching import Matching, Watcher, watcher
from cityloop.interconnection.broker.outbox import Outbox
from cityloop.interconnection.broker.parcels import Forget, Target
from cityloop.interconnection.broker.store import EntityStore
from cityloop.interconnection.broker.styles import Style
from cityloop.kernel.ports import Position
from cityloop.standards.cim.kept import Kept
from cityloop.standards.cim.selection.memory import matcher
from cityloop.standards.cim.subscription import Subscribed, conditions, status
from cityloop.standards.cim.terms import Terms
from cityloop.standards.cim.times import read_datetime


@dataclass(slots=True, eq=False)
class Follower:
    """A subscription, ready for use.

    ``s``: its number; ``since``: writes beyond this log position concern it. ``terms``: the names
    it notifies with; ``asked``: those its query was written with.
    """

    s: int
    since: int
    subscription: Subscribed
    terms: Terms
    asked: Terms
    style: Style
    watcher: Watcher | None = None

    @property
    def throttle_ms(self) -> float:
        """How long after one notification no other is sent."""
        return 1000 * float(self.subscription.get("throttling", 0))

    @property
    def expires(self) -> float:
        """When it ends [ms of wall time]."""
        told = self.subscription.get("expiresAt")
        return read_datetime(told) if told else float("inf")


class Following:
    """The followers of one tenant, its outbox and its dispatch; for the loop's thread."""

    def __init__(self, store: EntityStore, notifier: Notifier) -> None:
        self._store = store
        self._clock = store.clock
        self._outbox = Outbox(store.connection, store.log.last())
        self.dispatch = Dispatch(store.connection, self._outbox, notifier, store.clock)
        self._followers: dict[int, Follower] = {}
        self._matching = Matching()
        self._styles: dict[Style, Style] = {}
        store.folds.append(self.follow)

    def put(self, follower: Follower, to: Target) -> None:
        """Follow for a subscription from now on; it replaces the one of its number."""
        self._leave(follower.s)
        follower.style = self._styles.setdefault(follower.style, follower.style)
        self._followers[follower.s] = follower
        cooldown_ms = follower.subscription["notification"]["endpoint"].get("cooldown", 0)
        self.dispatch.target(to, follower.s, cooldown_ms / 1000)
        periodic = "timeInterval" in follower.subscription
        if not periodic and status(follower.subscription, 0) == "active":
            asks = conditions(follower.subscription, follower.asked)
            holds = matcher(asks, self._linked) if asks else None
            follower.watcher = watcher(follower.s, follower.subscription, holds)
            self._matching.add(follower.watcher, follower.subscription)

    def remove(self, s: int) -> None:
        """Follow for it no more; what it was still to be told is dropped."""
        self._leave(s)
        self._followers.pop(s, None)
        self.dispatch.forget(s, Forget(s))

    def _leave(self, s: int) -> None:
        follower = self._followers.get(s)
        if follower is not None and follower.watcher is not None:
            self._matching.remove(follower.watcher)

    def delivery(self, s: int) -> tuple[Delivery, int]:
        """What became of a subscription's notifications, and how many wait."""
        return self.dispatch.delivery(s), self._outbox.pending(s)

    def _linked(self, id_: str) -> Kept | None:
        held = self._store.get(id_)
        return held.kept if held else None

    def _fetch(self, ids: Iterable[str]) -> dict[str, Kept]:
        found = ((id_, self._linked(id_)) for id_ in ids)
        return {id_: kept for id_, kept in found if kept is not None}

    def follow(self, done: Sequence[Written], position: Position) -> None:
        """Write into the outbox what a commit has to be told of (``store.Fold``)."""
        if self._matching.empty or position <= self._outbox.begun:
            return
        now = self._clock()
        texts: dict[tuple[int, int], bytes] = {}
        news: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for at, one in enumerate(done):
            concern = self._matching.concerned(
                one.before.kept if one.before else None, one.after.kept if one.after else None
            )
            for found in concern.watchers if concern else ():
                follower = self._followers[found.key]
                if position > follower.since and now < follower.expires:
                    key = (id(follower.style), at)
                    if concern is not None and key not in texts:
                        texts[key] = follower.style.text(one, concern.what, self._fetch)
                    news[follower.s].append(key)
        self._tell(news, texts, now)

    def _tell(
        self, news: dict[int, list[tuple[int, int]]], texts: dict[tuple[int, int], bytes], now: int
    ) -> None:
        """One message for each subscription, whatever a commit changed of what it follows; those
        with the same words share them.
        """
        to: dict[tuple[tuple[int, int], ...], list[int]] = defaultdict(list)
        for s, keys in news.items():
            if self._may_notify(s, now):
                to[tuple(keys)].append(s)
        for words, subscriptions in to.items():
            body = b",".join([texts[key] for key in words])
            self._outbox.put(now, body, subscriptions)
        if to:
            self.dispatch.wake()

    def _may_notify(self, s: int, now: int) -> bool:
        """Whether it is not too soon after another one (5.8.6); counted where it is."""
        known = self.dispatch.changed(s)
        if now - known.last_notification < self._followers[s].throttle_ms:
            known.throttled += 1
            return False
        known.last_notification = now
        return True

    def notify(self, s: int, kepts: Sequence[Kept]) -> None:
        """Tell a subscription of entities whether or not they changed (``timeInterval``)."""
        words = self._followers[s].style
        now = self._clock()
        self.dispatch.changed(s).last_notification = now
        self._outbox.put_alone(
            now, b",".join([words.write(kept, self._fetch) for kept in kepts]), s
        )
        self.dispatch.wake()

    def close(self) -> None:
        """Keep what is known of the deliveries."""
        self.dispatch.close()
