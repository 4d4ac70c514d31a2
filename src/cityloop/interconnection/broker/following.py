"""What subscriptions make of a commit: it is matched with them and told of in the outbox.

They are a fold of the log like any other: what a commit triggers is written within the transaction
that takes it in, so after a crash nothing is missing and nothing is there twice.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cityloop.interconnection.broker.deliveries import Delivery
from cityloop.interconnection.broker.dispatch import Dispatch, Notifier
from cityloop.interconnection.broker.held import Written
from cityloop.interconnection.broker.latest import Latest, Seen, Situation, from_stamps
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
        self._outbox = Outbox(store.state.database, store.log.last(), store.state.next_number)
        self.dispatch = Dispatch(self._outbox, notifier, store.clock)
        self._followers: dict[int, Follower] = {}
        self._matching = Matching()
        self._idle = Matching()
        self._styles: dict[Style, Style] = {}
        self._latest = Latest()
        store.folds.append(self.follow)
        store.renewed.append(notifier.renew)
        store.watchers.append(self.follow)

    @property
    def idle(self) -> bool:
        """Whether there is no subscription."""
        return not self._followers

    def put(self, follower: Follower, to: Target) -> None:
        """Follow for a subscription from now on; it replaces the one of its number."""
        self._leave(follower.s)
        follower.style = self._styles.setdefault(follower.style, follower.style)
        self._followers[follower.s] = follower
        cooldown_ms = follower.subscription["notification"]["endpoint"].get("cooldown", 0)
        self.dispatch.target(to, follower.s, cooldown_ms / 1000)
        asks = conditions(follower.subscription, follower.asked)
        holds = matcher(asks, self.linked) if asks else None
        follower.watcher = watcher(follower.s, follower.subscription, holds)
        periodic = "timeInterval" in follower.subscription
        asked = not periodic and status(follower.subscription, 0) == "active"
        (self._matching if asked else self._idle).add(follower.watcher, follower.subscription)

    def remove(self, s: int) -> None:
        """Follow for it no more; what it was still to be told is dropped."""
        self._leave(s)
        self._followers.pop(s, None)
        self.dispatch.forget(s, Forget(s))

    def _leave(self, s: int) -> None:
        follower = self._followers.get(s)
        if follower is not None and follower.watcher is not None:
            # Of either: it knows its places.
            self._matching.remove(follower.watcher)

    def delivery(self, s: int) -> tuple[Delivery, int]:
        """What became of a subscription's notifications, and how many wait."""
        return self.dispatch.deliveries.of(s), self.dispatch.pending(s)

    def about(self, kept: Kept) -> list[int]:
        """Numbers of the subscriptions that ask about entities like this one, whether they are
        active or not."""
        return self._matching.about(kept) + self._idle.about(kept)

    def situation(self, s: int, id_: str) -> Situation:
        """What there is to know of why a subscription was told of an entity, or was not."""
        seen = self._latest.seen(id_)
        kept = self.linked(id_)
        if kept is None and seen is not None:
            kept = seen.gone
        if kept is not None and seen is None:
            seen = from_stamps(kept)
        waits = self.dispatch.waits(s, seen.at, id_) if seen else 0
        again = self.dispatch.next_attempt(s)
        return Situation(self._clock(), kept, seen, *self.delivery(s), waits, again)

    def id_of(self, s: int) -> str:
        """The id of a subscription."""
        return str(self._followers[s].subscription["id"])

    def linked(self, id_: str) -> Kept | None:
        """An entity as it is now; also for a query that follows a Relationship."""
        held = self._store.get(id_)
        return held.kept if held else None

    def _fetch(self, ids: Iterable[str]) -> dict[str, Kept]:
        found = ((id_, self.linked(id_)) for id_ in ids)
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
            if concern is None:
                continue
            self._latest.put(one, Seen(now, position, concern.what))
            for found in concern.watchers:
                follower = self._followers[found.key]
                if position > follower.since and now < follower.expires:
                    key = (id(follower.style), at)
                    if key not in texts:
                        texts[key] = follower.style.text(one, concern.what, self._fetch)
                    news[follower.s].append(key)
        for s in self._tell(news, texts, now):
            for _, at in news[s]:
                self._latest.throttled(done[at].id, s)

    def _tell(
        self, news: dict[int, list[tuple[int, int]]], texts: dict[tuple[int, int], bytes], now: int
    ) -> list[int]:
        """One message for each subscription, whatever a commit changed of what it follows; those
        with the same words share them. Those to which it comes too soon are returned.
        """
        to: dict[tuple[tuple[int, int], ...], list[int]] = defaultdict(list)
        passed = []
        for s, keys in news.items():
            if self._may_notify(s, now):
                to[tuple(keys)].append(s)
            else:
                passed.append(s)
        for words, subscriptions in to.items():
            body = b",".join([texts[key] for key in words])
            self._outbox.put(now, body, subscriptions)
        if to:
            self.dispatch.wake()
        self.dispatch.flush_soon()
        return passed

    def _may_notify(self, s: int, now: int) -> bool:
        """Whether it is not too soon after another one (5.8.6); counted where it is."""
        known = self.dispatch.deliveries.changed(s)
        if now - known.last_notification < self._followers[s].throttle_ms:
            known.throttled += 1
            return False
        known.last_notification = now
        if self._followers[s].throttle_ms:
            # So that a crash does not make it forget how soon the next one may come.
            self.dispatch.deliveries.write([s])
        return True

    def notify(self, s: int, kepts: Sequence[Kept]) -> None:
        """Tell a subscription of entities whether or not they changed (``timeInterval``)."""
        words = self._followers[s].style
        now = self._clock()
        self.dispatch.deliveries.changed(s).last_notification = now
        self._outbox.put_alone(
            now, b",".join([words.write(kept, self._fetch) for kept in kepts]), s
        )
        self.dispatch.wake()

    def close(self) -> None:
        """Keep what is known of the deliveries."""
        self.dispatch.close()
