"""A real S3-compatible server on a free loopback port, in a folder of its own: OpenStack Swift
with its S3 API, from PyPI's wheels: ``with objects(folder)``.

Started in a second and without root, and it honours ``If-None-Match: *``, on which the commits of
Delta tables rest. (Ceph's radosgw would need a hundred Debian packages, root, a monitor and a disk
server.) Swift has an environment of its own, ``.tools/objects`` (``make objects``): it is pinned to
eventlet, and no part of a city.
"""

import os
import secrets
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyarrow.fs import S3FileSystem

ROOT = Path(__file__).resolve().parent.parent.parent
_SERVER = Path(__file__).parent / "serve_swift.py"
_HERE = Path(os.environ.get("CITYLOOP_OBJECTS", ROOT / ".tools" / "objects"))
_STOP_S = 10.0


class Objects:
    """One server: start it, stop it, kill it, ask it for buckets.

    The secret exists in ``environment`` alone, which whoever connects takes over: the settings
    that every client of S3 reads.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.port = _free_port()
        self._user, self._key = "tester", secrets.token_urlsafe(24)
        self.environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": f"city:{self._user}",
            "AWS_SECRET_ACCESS_KEY": self._key,
            "AWS_REGION": "us-east-1",
        }
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Run it and wait until it answers; raises OSError with the end of its log."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "server.log").open("a") as log:
            self._process = subprocess.Popen(
                [_HERE / "bin" / "python", "-W", "ignore", _SERVER, self.folder, str(self.port)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{self._user}\n{self._key}\n")
        self._process.stdin.flush()
        if self._process.stdout.readline() != "ready\n":
            self.stop()
            raise OSError((self.folder / "server.log").read_text()[-2000:])

    def stop(self) -> None:
        """End it at once, as a power cut would; nothing when it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(_STOP_S)
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
            self._process = None

    def create(self, bucket: str) -> str:
        """A new bucket's URL."""
        self.files().create_dir(bucket)
        return f"s3://{bucket}"

    def files(self) -> S3FileSystem:
        """What lies in the buckets, as Arrow's client of S3 sees it."""
        return S3FileSystem(
            endpoint_override=self.environment["AWS_ENDPOINT_URL"],
            access_key=self.environment["AWS_ACCESS_KEY_ID"],
            secret_key=self._key,
            region=self.environment["AWS_REGION"],
            allow_bucket_creation=True,
        )


def has_objects() -> bool:
    """Whether Swift is installed here."""
    return (_HERE / "bin" / "swift-proxy-server").exists()


@contextmanager
def objects(folder: Path) -> Iterator[Objects]:
    """A server in ``folder``, empty or with what an earlier one left there; ended at the end.

    Raises FileNotFoundError where Swift is not installed.
    """
    if not has_objects():
        raise FileNotFoundError(f"no OpenStack Swift in {_HERE}: make objects")
    server = Objects(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
