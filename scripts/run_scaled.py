"""``make run-scaled``: Hangzhou as a city of many machines, all of which happen to be this one.

PostgreSQL, NATS JetStream, an S3-compatible object store and a Ray cluster of two workers run on
loopback, and the city differs from examples/hangzhou in their addresses alone. All of it lies in
.cache/scaled and goes on from there at the next start; Ctrl-C ends everything.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from scripts.servers.nats import nats_server
from scripts.servers.objects import objects
from scripts.servers.postgres import postgres

ROOT = Path(__file__).resolve().parent.parent
_SCALED = ROOT / ".cache" / "scaled"
_EXAMPLE = ROOT / "examples" / "hangzhou"
_DATABASE, _BUCKET = "hangzhou", "hangzhou"


def main() -> None:
    """Until Ctrl-C; the exit code is the city's."""
    asked = argparse.ArgumentParser(description="Hangzhou on PostgreSQL, NATS, S3 and Ray.")
    asked.add_argument("--port", type=int, default=8000)
    asked.add_argument("--folder", type=Path, default=_SCALED, help="where all of it lies")
    given = asked.parse_args()
    with ExitStack() as servers:
        addresses, environment = start(given.folder, servers)
        city = write_city(given.folder / "city", addresses)
        sys.exit(serve(city, given.port, environment))


def start(folder: Path, servers: ExitStack) -> tuple[dict[str, str], dict[str, str]]:
    """Run the servers in ``folder``: the city's addresses, and the environment that lets it in."""
    database = servers.enter_context(postgres(folder / "postgresql"))
    known = f"SELECT 1 FROM pg_database WHERE datname = '{_DATABASE}'"
    store = database.url(_DATABASE) if database.sql(known) else database.create(_DATABASE)
    bus = servers.enter_context(nats_server(folder / "nats"))
    storage = servers.enter_context(objects(folder / "objects"))
    history = storage.create(_BUCKET)
    addresses = {"store": store, "bus": bus.url, "history": history, "workers": "ray"}
    return addresses, {**database.environment, **bus.environment, **storage.environment}


def write_city(folder: Path, addresses: Mapping[str, str]) -> Path:
    """The example with other addresses; its data, where there is some, stays."""
    shutil.copytree(_EXAMPLE, folder, ignore=shutil.ignore_patterns("data"), dirs_exist_ok=True)
    settings = folder / "city.toml"
    keys = "".join(f'{name} = "{address}"\n' for name, address in addresses.items())
    head, rest = settings.read_text().split("[city]\n", 1)
    settings.write_text(f"{head}[city]\n{keys}{rest}")
    return folder


def serve(city: Path, port: int, environment: Mapping[str, str]) -> int:
    """``cityloop up``; an interrupt goes to the city alone, which ends before its servers do."""
    command = [sys.executable, "-m", "cityloop", "up", city, "--port", str(port)]
    running = subprocess.Popen(command, env={**os.environ, **environment}, process_group=0)
    for wish in (signal.SIGINT, signal.SIGTERM):
        signal.signal(wish, lambda number, _: running.send_signal(number))
    return running.wait()


if __name__ == "__main__":
    main()
