"""The port that a command serves on."""

import socket

from cityloop.kernel.errors import ConfigError
from cityloop.web import HOST


def check_port(port: int) -> None:
    """Raise ConfigError when ``port`` of the loopback is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise ConfigError(
                f"port {port} cannot be used ({error.strerror}); choose another: PORT=… or --port"
            ) from None
