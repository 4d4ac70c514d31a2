"""The command line: ``cityloop up``, ``cityloop bench``, … (``main``)."""

import sys


def main() -> None:
    """Run the command line.

    The commands are imported here and not above: each process of a city imports this package, and
    needs none of them. A command imports what its run needs, so one may turn out missing then.
    """
    try:
        from cityloop.cli.main import main as run

        run()
    except ModuleNotFoundError as error:
        if (error.name or "cityloop").partition(".")[0] == "cityloop":
            raise
        remedy = "run `make setup`, or `pip install cityloop` again"
        sys.exit(f"cityloop: the package {error.name} is missing; {remedy}")
