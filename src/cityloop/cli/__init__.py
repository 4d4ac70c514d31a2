"""The command line: ``cityloop up``, ``cityloop bench``, … (``main``)."""


def main() -> None:
    """Run the command line.

    The commands are imported here and not above: each process of a city imports this package, and
    needs none of them.
    """
    from cityloop.cli.main import main as run

    run()
