"""A broker in a process of its own, and clients of it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.broker.places import Place

LD = {"Content-Type": "application/ld+json"}
CONTEXT = {"@vocab": "https://example.org/"}


class Running:
    """A broker that serves a folder or another place; killed and started again at will."""

    def __init__(self, place: Path | Place, port: int, *options: str) -> None:
        self._command = [
            *(sys.executable, "-m", "cityloop", "broker", "--port", str(port)),
            *(place.options() if isinstance(place, Place) else ("--store", str(place))),
            *("--no-fetch", *options),
        ]
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}/ngsi-ld/v1", timeout=30)
        self.start()

    def start(self) -> None:
        """Start and wait until it says that it listens."""
        self.process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        assert "is up" in self.process.stdout.readline()

    def kill(self) -> None:
        """As a power cut would, but for the disk."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        assert self.process.stdout
        self.process.stdout.close()

    def stop(self) -> int:
        """Ask it to end; its exit code."""
        self.process.terminate()
        code = self.process.wait(30)
        assert self.process.stdout
        self.process.stdout.close()
        return code

    def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        """POST a JSON body."""
        return self.client.post(path, json=body, headers=headers)

    def get(self, path: str, **headers: str) -> Any:
        """The JSON behind a path."""
        return self.client.get(path, headers=headers).json()


@contextmanager
def running(folder: Path | Place, port: int, *options: str) -> Iterator[Running]:
    """A broker that ends with the block."""
    broker = Running(folder, port, *options)
    try:
        yield broker
    finally:
        broker.client.close()
        if broker.process.poll() is None:
            broker.stop()
