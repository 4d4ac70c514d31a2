"""The notifier's own process (design law 8): a subscriber that is slow, dead or hostile, and TLS to
thousands of them, cost the broker nothing.

Broker and notifier speak over the child's stdin and stdout, in frames (``parcels``). It ends when
the broker does; the broker starts it again when it ends.
"""

import asyncio
import os
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import msgspec
import structlog

from cityloop.city.child import end
from cityloop.city.clock import wall_time
from cityloop.interconnection.broker.dial import Dial, trust
from cityloop.interconnection.broker.parcels import (
    HEAD,
    Orders,
    Reports,
    framed,
    read_orders,
    read_reports,
)
from cityloop.interconnection.broker.reach import EVERYWHERE, Reach

_log = structlog.get_logger()
_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 10.0
_CLOSE_S = 5.0
_COMMAND = "from cityloop.city.notifier_process import main; main()"


class Settings(msgspec.Struct, frozen=True):
    """What the process is started with; see ``NotifierProcess``. ``ca``: empty for none."""

    reach: Reach
    ca: str


class Channel:
    """One tenant's line to the notifier (``dispatch.Notifier``).

    ``report`` takes what the notifier did; ``begun`` is called for each new process, before
    anything is sent to it. ``reach``: where notifications may go.
    """

    def __init__(
        self, send: Callable[[list[Orders]], None], renew: Callable[[], None], reach: Reach
    ) -> None:
        self.reach = reach
        self.report: Callable[[list[Reports]], None] = lambda _: None
        self.begun: Callable[[], None] = lambda: None
        self.send = send
        self.renew = renew


class NotifierProcess:
    """The broker's side. The process runs from the first order on, and again whenever it ends.

    ``reach``: where notifications may go; ``ca``: a PEM file of authorities that TLS trusts beside
    those of the system. Raises ConfigError for one that cannot be read.
    """

    def __init__(self, reach: Reach = EVERYWHERE, ca: Path | None = None) -> None:
        trust(ca)
        self._reach = reach
        self._settings = msgspec.json.encode(Settings(reach, str(ca or ""))).decode()
        self._channels: list[Channel] = []
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._needed = False
        self._begun: set[int] = set()

    @property
    def pid(self) -> int | None:
        """The process that runs now."""
        return self._process.pid if self._process else None

    def channel(self) -> Channel:
        """A line for one more tenant."""
        channel = Channel(partial(self._send, len(self._channels)), self.renew, self._reach)
        self._channels.append(channel)
        return channel

    def start(self) -> None:
        """From now on, in this event loop, it may run."""
        self._loop = asyncio.get_running_loop()
        if self._needed:
            self._task = self._loop.create_task(self._keep_running())

    def _send(self, channel: int, orders: list[Orders]) -> None:
        """Lost where no process runs: the next one is told all anew."""
        self._needed = True
        stdin = self._process.stdin if self._process is not None else None
        if stdin is not None and not stdin.is_closing():
            self._begin(channel)
            stdin.write(framed(channel, orders))
        elif self._task is None and self._loop is not None:
            self._task = self._loop.create_task(self._keep_running())

    def _begin(self, channel: int) -> None:
        """Have a tenant tell this process all that it needs, once."""
        if channel not in self._begun:
            self._begun.add(channel)
            self._channels[channel].begun()

    def renew(self) -> None:
        """Have another process take over, which is told all anew: what was known of the present
        one's work may be lost."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def _keep_running(self) -> None:
        pause_s = _PAUSE_S
        while True:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                _COMMAND,
                self._settings,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            self._begun.clear()
            for number in range(len(self._channels)):
                self._begin(number)
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
                channel, body = await _frame(process.stdout)
                self._channels[channel].report(read_reports(body))
                frames += 1
        return frames

    async def close(self) -> None:
        """End it; what it had under way is told by the next one."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if self._process is not None:
            await end(self._process, _CLOSE_S)


async def _frame(stream: asyncio.StreamReader) -> tuple[int, bytes]:
    channel, size = HEAD.unpack(await stream.readexactly(HEAD.size))
    return channel, await stream.readexactly(size)


class _Reports:
    """Gathers reports and writes those of one turn of the loop as one frame."""

    def __init__(self, channel: int, writer: asyncio.StreamWriter) -> None:
        self._channel = channel
        self._writer = writer
        self._waiting: list[Reports] = []

    def add(self, report: Reports) -> None:
        """Report soon."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)
        self._waiting.append(report)

    def _flush(self) -> None:
        # Where the broker is gone, the next one finds in its outbox what this was about.
        if not self._writer.is_closing():
            self._writer.write(framed(self._channel, self._waiting))
        self._waiting = []


async def _serve(settings: Settings) -> None:
    from cityloop.interconnection.broker.http_carrier import HttpCarrier
    from cityloop.interconnection.broker.mqtt_carrier import MqttCarrier
    from cityloop.interconnection.broker.notifier import Carrier, Notifier

    stream, writer = await _pipes()
    dial = Dial(settings.reach, Path(settings.ca) if settings.ca else None)
    http, over_mqtt = HttpCarrier(dial), MqttCarrier(dial)
    carriers: dict[str, Carrier] = {
        "http": http,
        "https": http,
        "mqtt": over_mqtt,
        "mqtts": over_mqtt,
    }
    notifiers: dict[int, Notifier] = {}
    with suppress(asyncio.IncompleteReadError):
        while True:
            channel, body = await _frame(stream)
            if channel not in notifiers:
                reports = _Reports(channel, writer)
                notifiers[channel] = Notifier(carriers, reports.add, wall_time)
            notifiers[channel].take(read_orders(body))
    await http.close()
    await over_mqtt.close()


async def _pipes() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    loop = asyncio.get_running_loop()
    stream = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), sys.stdin)
    transport, protocol = await loop.connect_write_pipe(
        asyncio.streams.FlowControlMixin, sys.stdout
    )
    return stream, asyncio.StreamWriter(transport, protocol, None, loop)


def main() -> None:
    """The notifier's side: until stdin ends."""
    import uvloop

    # Ctrl-C reaches all processes of a terminal; the broker ends this one in its own time.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(1)
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, allowed))
    uvloop.run(_serve(msgspec.json.decode(sys.argv[1], type=Settings)))
