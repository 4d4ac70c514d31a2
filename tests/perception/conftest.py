"""Sources under test: a city that holds back its commits, and a real broker."""

import asyncio
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from tests.faults.running import until

from cityloop.city.intake_process import HubClock
from cityloop.kernel.clock import WallTime
from cityloop.perception.source import Setup, State
from cityloop.standards.attributes import declared
from cityloop.standards.readings import Decoded, Fault


class HeldIntake:
    """An intake (``perception.source.Intake``) whose log commits when the test says so."""

    def __init__(self) -> None:
        self.city = HubClock()
        self.decoded: list[Decoded] = []
        self.states: list[tuple[State, str]] = []
        self.lost = 0
        self.changed = asyncio.Event()
        self.commits = asyncio.Event()

    async def deliver(self, decoded: Decoded, run: str = "live") -> list[Fault]:
        """Note what came, and return when the log is said to have it."""
        self.decoded.append(decoded)
        self.changed.set()
        await self.commits.wait()
        return []

    def tell(self, state: State, reason: str = "") -> None:
        """Note how the source is."""
        self.states.append((state, reason))
        self.changed.set()

    def dropped(self, count: int) -> None:
        """Note what was lost before."""
        self.lost += count
        self.changed.set()

    @property
    def entities(self) -> list[str]:
        """Whatever named itself, in the order it came."""
        return [str(e) for d in self.decoded for part in d.readings for e in part.entities]

    @property
    def reasons(self) -> list[str]:
        """Why things were not taken."""
        return [f.reason.partition(":")[0] for d in self.decoded for f in d.faults]

    async def wait(self, ready: Callable[["HeldIntake"], bool]) -> None:
        """Until what came, or was told, is what the test waits for."""
        async with asyncio.timeout(20):
            while not ready(self):
                self.changed.clear()
                await self.changed.wait()


def setup_of(folder: Path, name: str = "street") -> Setup:
    """What a source of a city in ``folder`` is made from."""
    return Setup(name, folder, declared(), lambda: WallTime(time.time_ns() // 1_000_000))


@contextmanager
def broker(folder: Path, port: int, *lines: str) -> Iterator[psutil.Popen]:
    """A mosquitto on ``port``; ``lines`` go into its configuration."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        pytest.skip("no mosquitto: install the Debian package mosquitto")
    config = folder / "mosquitto.conf"
    own = [f"listener {port} 127.0.0.1", "persistence false", "user root", "sys_interval 1"]
    if not any("allow_anonymous" in line for line in lines):
        own.append("allow_anonymous true")
    config.write_text("\n".join((*own, *lines, "")))
    process = psutil.Popen([program, "-c", str(config)], stderr=subprocess.DEVNULL)
    until("the broker", lambda: True if listens(port) else None)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def certify(folder: Path, name: str, *signer: str) -> None:
    """A key and a certificate for this machine, signed by ``signer``'s or by itself."""
    folder.mkdir(exist_ok=True)
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", f"{name}.key", "-out", f"{name}.pem", *signer]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def listens(port: int) -> bool:
    """Whether somebody takes calls on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
