"""Lines that are slow, cut or half-open, and subscribers that fail: nothing is lost, none waits."""

from pathlib import Path

import pytest
from scripts.faults.proxy import Proxy, proxied
from tests.broker.hearer import Hearer, hearing
from tests.broker.scene import drive, running, subscription

from cityloop.interconnection.broker.contexts import CORE_TERMS
from cityloop.interconnection.broker.dispatch import WINDOW

WRITES = 60


def levels(hearer: Hearer) -> list[int]:
    """What was told for the first time, in the order told."""
    told = (e["level"]["value"] for body in hearer.heard for e in body["data"])
    return list(dict.fromkeys(told))


async def until_all(hearer: Hearer, count: int) -> None:
    while len(levels(hearer)) < count:
        await hearer.until(len(hearer.heard) + 1)


def begin(fault: str, line: Proxy) -> None:
    if fault == "slow":
        line.delay(0.5)
    else:
        getattr(line, fault)()


@pytest.mark.parametrize("fault", ["cut", "stall", "slow"])
def test_a_line_to_a_subscriber_that_fails_and_is_mended_has_it_told_all_in_order(
    tmp_path: Path, fault: str
) -> None:
    async def scene() -> None:
        async with hearing() as far, hearing() as near, running(tmp_path) as broker:
            with proxied("127.0.0.1", int(far.url.rpartition(":")[2].partition("/")[0])) as line:
                endpoint = {"uri": f"http://127.0.0.1:{line.port}/", "timeout": 300}
                body = subscription("", notification={"endpoint": endpoint})
                await broker.subscriptions.create(body, CORE_TERMS)
                await broker.subscriptions.create(subscription(near), CORE_TERMS)
                await broker.write("urn:lamp:1", 0)
                await far.until(1)
                begin(fault, line)
                for level in range(1, WRITES):
                    await broker.write("urn:lamp:1", level)
                await until_all(near, WRITES)
                assert len(levels(far)) < WRITES
                line.mend()
                await until_all(far, WRITES)
                assert levels(far) == levels(near) == list(range(WRITES))

    drive(scene())


def test_a_subscriber_that_answers_500_has_little_in_hand_and_is_told_all_afterwards(
    tmp_path: Path,
) -> None:
    async def scene() -> None:
        async with hearing() as hearer, running(tmp_path) as broker:
            hearer.answers = [500, 500]
            dispatch = broker.subscriptions.following.dispatch
            await broker.subscriptions.create(subscription(hearer), CORE_TERMS)
            for level in range(4 * WINDOW):
                await broker.write("urn:lamp:1", level)
                assert dispatch.weight <= WINDOW
            await until_all(hearer, 4 * WINDOW)
            assert levels(hearer) == list(range(4 * WINDOW))

    drive(scene())
