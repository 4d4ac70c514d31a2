"""The notifier's own process (design law 8): a subscriber that is slow, dead or hostile, and TLS to
thousands of them, cost the broker nothing.

Broker and notifier speak over the child's stdin and stdout, in frames (``parcels``). It ends when
the broker does; the broker starts it again when it ends.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress

import structlog

from cityloop.city.clock import wall_time
from cityloop.interconnection.broker.parcels import (
    LENGTH,
    Orders,
    Reports,
    framed,
    read_orders,
    read_reports,
)

_log = structlog.get_logger()
_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 10.0
_CLOSE_S = 5.0
_COMMAND = "from cityloop.city.notifier_process import main; main()"


class NotifierProcess:
    """The broker's side (``dispatch.Notifier``). ``report`` takes what the notifier did; ``begun``
    is called for each new process, before anything is sent to it."""

    def __init__(self) -> None:
        self.report: Callable[[list[Reports]], None] = lambda _: None
        self.begun: Callable[[], None] = lambda: None
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process that runs now."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Run it from now on, again whenever it ends."""
        self._task = asyncio.get_running_loop().create_task(self._keep_running())

    def send(self, orders: list[Orders]) -> None:
        """``dispatch.Notifier.send``; lost where no process runs: the next one is told anew."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(framed(orders))

    async def _keep_running(self) -> None:
        pause_s = _PAUSE_S
        while True:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                _COMMAND,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            self.begun()
            frames = await self._listen(self._process)
            ended, self._process = self._process, None
            code = await ended.wait()
            pause_s = _PAUSE_S if frames else min(2 * pause_s, _LONGEST_PAUSE_S)
            _log.warning("notifier_ended", exit_code=code, again_in_s=pause_s)
            await asyncio.sleep(pause_s)

    async def _listen(self, process: asyncio.subprocess.Process) -> int:
        """Take reports until the process ends; how many frames there were."""
        frames = 0
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while process.stdout is not None:
                self.report(read_reports(await _frame(process.stdout)))
                frames += 1
        return frames

    async def close(self) -> None:
        """End it; what it had under way is told by the next one."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        process = self._process
        if process is not None and process.stdin is not None:
            process.stdin.close()
            try:
                await asyncio.wait_for(process.wait(), _CLOSE_S)
            except TimeoutError:
                process.kill()
                await process.wait()


async def _frame(stream: asyncio.StreamReader) -> bytes:
    (size,) = LENGTH.unpack(await stream.readexactly(LENGTH.size))
    return await stream.readexactly(size)


class _Reports:
    """Gathers reports and writes those of one turn of the loop as one frame."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._waiting: list[Reports] = []

    def add(self, report: Reports) -> None:
        """Report soon."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)
        self._waiting.append(report)

    def _flush(self) -> None:
        self._writer.write(framed(self._waiting))
        self._waiting = []


async def _serve() -> None:
    from cityloop.interconnection.broker.http_carrier import HttpCarrier
    from cityloop.interconnection.broker.mqtt_carrier import MqttCarrier
    from cityloop.interconnection.broker.notifier import Carrier, Notifier

    loop = asyncio.get_running_loop()
    stream = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), sys.stdin)
    transport, protocol = await loop.connect_write_pipe(
        asyncio.streams.FlowControlMixin, sys.stdout
    )
    reports = _Reports(asyncio.StreamWriter(transport, protocol, None, loop))
    http, over_mqtt = HttpCarrier(), MqttCarrier()
    carriers: dict[str, Carrier] = {
        "http": http,
        "https": http,
        "mqtt": over_mqtt,
        "mqtts": over_mqtt,
    }
    notifier = Notifier(carriers, reports.add, wall_time)
    with suppress(asyncio.IncompleteReadError):
        while True:
            notifier.take(read_orders(await _frame(stream)))
    await http.close()
    await over_mqtt.close()


def main() -> None:
    """The notifier's side: until stdin ends."""
    import uvloop

    # Ctrl-C reaches all processes of a terminal; the broker ends this one in its own time.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(1)
    uvloop.run(_serve())
