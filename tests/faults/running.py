"""A whole city in real processes, for tests that kill some of them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil

from cityloop.city.config import read_settings

ROOT = Path(__file__).resolve().parents[2]
HANGZHOU = ROOT / "examples" / "hangzhou"
TENANT = "hangzhou"
_DEADLINE_S = 90.0
T = TypeVar("T")


def until(
    what: str,
    look: Callable[[], T | None],
    deadline_s: float = _DEADLINE_S,
    pause_s: float = 0.02,
) -> T:
    """What ``look`` gives as soon as it gives something; fails with ``what`` when it never does."""
    give_up = time.monotonic() + deadline_s
    while (found := look()) is None:
        assert time.monotonic() < give_up, f"waited {deadline_s:g} s for {what}"
        time.sleep(pause_s)
    return found


class RunningCity:
    """``cityloop up`` and a client of its API."""

    def __init__(
        self,
        data: Path,
        port: int,
        *options: str,
        city: Path = HANGZHOU,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.data = data
        self.port = port
        self.folder = data / read_settings(city).city.tenant
        command = [sys.executable, "-m", "cityloop", "up", str(city), "--data", str(data)]
        self.process = subprocess.Popen(
            [*command, "--port", str(port), *options],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, **(environment or {})},
        )
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10)

    def pids(self) -> dict[str, int]:
        """Process name → pid, as the supervisor notes them."""
        try:
            found: dict[str, int] = json.loads((self.folder / "processes.json").read_bytes())
        except (FileNotFoundError, json.JSONDecodeError):  # not yet, or not since the power was cut
            return {}
        return found

    def get(self, path: str) -> Any:
        """JSON of the API; None while nobody answers."""
        try:
            answer = self.client.get(path)
        except httpx.TransportError:
            return None
        return answer.json() if answer.is_success else None

    def post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        """A person's command from the page."""
        return self.client.post(path, json=body, headers={"Origin": str(self.client.base_url)})

    def put(self, path: str, body: dict[str, Any]) -> httpx.Response:
        """A table that a person puts in the place of another."""
        return self.client.put(path, json=body, headers={"Origin": str(self.client.base_url)})

    def wait_decisions(self, more_than: int, run: str | None = None) -> dict[str, Any]:
        """The summary once more decisions than that were made (in ``run``)."""

        def look() -> dict[str, Any] | None:
            assert self.process.poll() is None, "the city ended by itself; its stderr says why"
            summary: dict[str, Any] | None = self.get("/api/summary")
            if summary is None or (run is not None and summary["run"] != run):
                return None
            return summary if summary["decisions_total"] > more_than else None

        return until(f"more than {more_than} decisions", look)

    def kill(self, name: str, number: int = signal.SIGKILL) -> int:
        """Signal one process; its pid."""
        pid = self.pids()[name]
        os.kill(pid, number)
        return pid

    def wait_reborn(self, name: str, killed: int) -> int:
        """The pid of the process that took the place of ``killed``."""
        return until(f"a new {name}", lambda: self._other(name, killed))

    def _other(self, name: str, killed: int) -> int | None:
        pid = self.pids().get(name)
        return pid if pid not in (None, killed) and psutil.pid_exists(pid) else None

    def children(self, word: str) -> list[psutil.Process]:
        """Processes below the supervisor whose command line holds ``word``."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        return [child for child in family if word in " ".join(_command(child))]

    def kill_all(self) -> None:
        """kill -9 of every process at once, and no one is left when this returns."""
        family = []
        if self.process.poll() is None:
            parent = psutil.Process(self.process.pid)
            family = [parent, *parent.children(recursive=True)]
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(family, 30)
        self.process.wait(30)
        self.client.close()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def stop(self) -> float:
        """Ctrl-C; how many seconds it took."""
        started = time.monotonic()
        os.kill(self.process.pid, signal.SIGINT)
        self.process.wait(30)
        return time.monotonic() - started


def _command(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:  # it has just ended
        return []


@contextmanager
def running(
    data: Path,
    port: int,
    *options: str,
    city: Path = HANGZHOU,
    environment: Mapping[str, str] | None = None,
) -> Iterator[RunningCity]:
    """A city that is surely gone afterwards, whatever the test did.

    ``environment``: of its processes, beside this one's own.
    """
    found = RunningCity(data, port, *options, city=city, environment=environment)
    try:
        yield found
    finally:
        found.kill_all()
