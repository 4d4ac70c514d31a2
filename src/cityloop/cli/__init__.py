"""The command line: ``cityloop up``, ``cityloop bench``."""

from cityloop.cli.main import app, main

__all__ = ["app", "main"]
