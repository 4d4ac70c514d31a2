"""Several tasks as one: they end together."""

import asyncio
from collections.abc import Awaitable


async def together(*work: Awaitable[None]) -> None:
    """Run all until each has returned or one fails; then the others are cancelled, and its error is
    raised as it is.

    A TaskGroup wraps the error in a group, and nearly every line here ends by one: a connection
    that broke is an OSError to whoever tries again.
    """
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
