"""An authority of our own and a certificate of it, as a city's network has them."""

from pathlib import Path
from typing import NamedTuple

from tests.perception.conftest import certify


class Files(NamedTuple):
    """PEM files: the authority, a server's certificate for 127.0.0.1, its key."""

    ca: Path
    certificate: Path
    key: Path


def made(folder: Path) -> Files:
    """A new authority and a certificate that it signed."""
    certify(folder, "authority")
    certify(folder, "server", "-CA", "authority.pem", "-CAkey", "authority.key")
    return Files(*(folder / name for name in ("authority.pem", "server.pem", "server.key")))
