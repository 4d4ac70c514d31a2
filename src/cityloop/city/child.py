"""A child process that serves until its standard input ends."""

import asyncio


async def end(child: asyncio.subprocess.Process, patience_s: float) -> None:
    """Close its input and wait for it; kill it where that takes longer."""
    if child.stdin is not None:
        child.stdin.close()
    try:
        async with asyncio.timeout(patience_s):
            await child.wait()
    except TimeoutError:
        child.kill()
        await child.wait()
