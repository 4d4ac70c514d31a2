"""Everything due is told, in order, whatever fails in between: dispatch, outbox and notifier."""

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cityloop.interconnection.broker.dispatch import WINDOW, Dispatch
from cityloop.interconnection.broker.notifier import Notifier, RefusedError
from cityloop.interconnection.broker.outbox import Outbox
from cityloop.interconnection.broker.parcels import Orders, Reports, Target
from tests.broker.places import Place

SUBSCRIBERS = (1, 2, 3)
ADDRESS = "http://subscriber.example/"


class Subscriber:
    """A carrier; ``answers`` of each subscriber: whether the next messages are taken."""

    def __init__(self) -> None:
        self.answers: dict[int, list[bool]] = {s: [] for s in SUBSCRIBERS}
        self.heard: dict[int, list[int]] = {s: [] for s in SUBSCRIBERS}

    async def carry(self, target: Target, body: bytes) -> None:
        await asyncio.sleep(0)
        answers = self.answers[target.s]
        if answers and not answers.pop(0):
            raise RefusedError("not now")
        _, _, data = body.partition(b'"data":[')
        self.heard[target.s] += map(int, data.rstrip(b"]}").split(b","))


class Scene:
    """A dispatch over a place with a notifier that may be lost."""

    def __init__(self, place: Place, subscriber: Subscriber) -> None:
        self.state = place.tables().state()
        self.outbox = Outbox(self.state.database, 0, self.state.next_number)
        self.subscriber = subscriber
        self.notifier: Notifier | None = None
        self.due: dict[int, list[int]] = {s: [] for s in SUBSCRIBERS}
        self.number = 0
        self.dispatch = Dispatch(self.outbox, self, lambda: 1_000)
        for s in SUBSCRIBERS:
            self.aim(s)

    def send(self, orders: list[Orders]) -> None:
        if self.notifier is not None:
            self.notifier.take(orders)

    def renew(self) -> None:
        self.restart()

    def aim(self, s: int) -> None:
        """(Re)place a subscription; after a failure it is tried again at once."""
        self.dispatch.target(Target(s, f"urn:{s}", ADDRESS, 5.0, "entities", {}), s, 0.0)

    def restart(self) -> None:
        """Lose the notifier and all that it had in hand."""
        mine: list[Notifier] = []

        def report(one: Reports) -> None:
            # What the lost one still says is not heard.
            if self.notifier is mine[0]:
                self.dispatch.report([one])

        mine.append(Notifier({"http": self.subscriber}, report, lambda: 1_000))
        self.notifier = mine[0]
        self.dispatch.restart()

    def write(self, to: set[int]) -> None:
        """Something is due to some."""
        self.number += 1
        for s in to:
            self.due[s].append(self.number)
        with self.outbox.transaction():
            self.outbox.put(1_000, b"%d" % self.number, sorted(to))
        self.dispatch.wake()

    async def do(self, what: str, with_: Any) -> None:
        """One step of a story."""
        if what in ("write", "burst"):
            for _ in range(1 if what == "write" else 2 * WINDOW):
                self.write(with_)
        elif what == "fail":
            self.subscriber.answers[with_] = [True, False]
        elif what == "aim":
            self.aim(with_)
        elif what == "restart":
            self.restart()
        else:
            for _ in range(with_):
                await asyncio.sleep(0)

    async def told(self) -> None:
        """Wait until all that is due was told."""
        async with asyncio.timeout(10):
            while any(set(self.subscriber.heard[s]) != set(self.due[s]) for s in SUBSCRIBERS):
                for s in SUBSCRIBERS:
                    self.aim(s)
                await asyncio.sleep(0.001)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sets(st.sampled_from(SUBSCRIBERS), min_size=1)),
        st.tuples(st.just("burst"), st.sets(st.sampled_from(SUBSCRIBERS), min_size=1)),
        st.tuples(st.just("fail"), st.sampled_from(SUBSCRIBERS)),
        st.tuples(st.just("aim"), st.sampled_from(SUBSCRIBERS)),
        st.tuples(st.just("wait"), st.integers(1, 20)),
        st.tuples(st.just("restart"), st.none()),
    ),
    max_size=25,
)


def once(heard: list[int]) -> list[int]:
    """What was heard, each when it came first."""
    return list(dict.fromkeys(heard))


@settings(max_examples=60, deadline=None)
@given(did=steps)
def test_everything_due_is_told_in_order_whatever_fails(
    shared_place: Place, did: list[tuple[str, Any]]
) -> None:
    async def scene() -> None:
        here = Scene(shared_place, Subscriber())
        here.restart()
        for what, with_ in did:
            await here.do(what, with_)
        await here.told()
        assert {s: once(here.subscriber.heard[s]) for s in SUBSCRIBERS} == here.due
        here.dispatch.close()
        assert (here.outbox.page(0, 9), here.outbox.waiting()) == ([], [])
        here.state.close()

    asyncio.run(scene())


def test_what_waits_for_a_subscription_that_is_gone_is_dropped(place: Place) -> None:
    async def scene() -> None:
        here = Scene(place, Subscriber())
        with here.outbox.transaction():
            here.outbox.put(1_000, b"1", [99])
            here.outbox.put(1_000, b"2", [99])
            here.outbox.hold([(99, 2)])
        here.restart()
        here.write({1})
        await here.told()
        here.dispatch.close()
        assert (here.outbox.page(0, 9), here.outbox.waiting()) == ([], [])
        here.state.close()

    asyncio.run(scene())
