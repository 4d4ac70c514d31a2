"""A TCP line that can be slow, cut or half-open: between a city and a subscriber, a store or a bus.

    python -m scripts.faults.proxy 15432 127.0.0.1:5432

takes ``cut``, ``mend``, ``stall`` and ``delay SECONDS`` on stdin.

Network namespaces and netem, the rival, take root; a process pauses (SIGSTOP) only as a whole.
"""

import argparse
import asyncio
import sys
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any

_PIECE = 1 << 16


class Proxy:
    """Passes bytes on from ``port`` of the loopback to a target, or does not. For any thread."""

    def __init__(self, host: str, port: int, listen: int = 0) -> None:
        self._target = host, port
        self._listen = listen
        self.port = 0
        self.passed = 0
        """Bytes passed on, both ways."""
        self._delay_s = 0.0
        self._is_cut = False
        self._flows: asyncio.Event
        self._lines: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> None:
        """Listen; the port is known then."""
        self._thread.start()
        self._do(self._start())

    async def _start(self) -> None:
        self._flows = asyncio.Event()
        self._flows.set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._listen)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """End all lines with a reset, and refuse new ones until mended."""
        self._do(self._cut())

    async def _cut(self) -> None:
        self._is_cut = True
        for line in list(self._lines):
            line.transport.abort()

    def stall(self) -> None:
        """Half-open: lines stay, and new ones are taken, but nothing comes through any more."""
        self._loop.call_soon_threadsafe(self._flows.clear)

    def delay(self, seconds: float) -> None:
        """Hold each piece back for so long."""
        self._delay_s = seconds

    def mend(self) -> None:
        """Let everything through again, at once."""
        self._is_cut, self._delay_s = False, 0.0
        self._loop.call_soon_threadsafe(self._flows.set)

    def close(self) -> None:
        """End it."""
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _close(self) -> None:
        self._server.close()
        await self._cut()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._server.wait_closed()
        await asyncio.sleep(0)  # what was aborted closes in the loop's next turn

    def _do(self, what: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result(10)

    async def _serve(self, near: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        self._lines.add(near_out)
        with suppress(OSError):  # of either side: the line ends
            if not self._is_cut:
                far, far_out = await asyncio.open_connection(*self._target)
                self._lines.add(far_out)
                try:
                    await asyncio.gather(self._pass(near, far_out), self._pass(far, near_out))
                finally:
                    self._end(far_out)
                    self._end(near_out)
        self._end(near_out)

    def _end(self, line: asyncio.StreamWriter) -> None:
        self._lines.discard(line)
        line.transport.abort()

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while piece := await source.read(_PIECE):
            if self._delay_s:
                await asyncio.sleep(self._delay_s)
            await self._flows.wait()
            target.write(piece)
            self.passed += len(piece)
            await target.drain()
        with suppress(OSError, RuntimeError):
            target.write_eof()


@contextmanager
def proxied(host: str, port: int, listen: int = 0) -> Iterator[Proxy]:
    """A proxy before ``host:port`` for as long as it lasts."""
    proxy = Proxy(host, port, listen)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.close()


def main() -> None:
    """The command line."""
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    asked.add_argument("listen", type=int)
    asked.add_argument("target", help="host:port")
    given = asked.parse_args()
    host, _, port = given.target.rpartition(":")
    with proxied(host, int(port), given.listen) as proxy:
        for line in sys.stdin:
            match line.split():
                case ["delay", seconds]:
                    proxy.delay(float(seconds))
                case [("cut" | "mend" | "stall") as word]:
                    getattr(proxy, word)()
                case _:
                    print("cut, mend, stall or delay SECONDS", file=sys.stderr)


if __name__ == "__main__":
    main()
