"""The command line: ``cityloop up``, ``cityloop bench``, … (``main``)."""

import sys


def main() -> None:
    """Run the command line.

    The commands are imported here and not above: each process of a city imports this package, and
    needs none of them.
    """
    try:
        from cityloop.cli.main import main as run
    except ModuleNotFoundError as error:
        remedy = "run `make setup`, or `pip install cityloop` again"
        sys.exit(f"cityloop: the package {error.name} is missing; {remedy}")
    run()
