"""The root of the command line; each command lives in a file of its own.

A command's file declares its words; what its run needs is imported when it runs, or `--help` and
the small commands would wait seconds for simulator, compiler and web server (as
tests/cli/test_start.py tells).
"""

import sys

import typer

from cityloop import __version__
from cityloop.cli.backup import backup, restore
from cityloop.cli.bench import bench_app
from cityloop.cli.broker import broker
from cityloop.cli.bus import bus_app
from cityloop.cli.check import check
from cityloop.cli.commission import commission_
from cityloop.cli.context import context_app
from cityloop.cli.import_ import import_
from cityloop.cli.init import init
from cityloop.cli.rebuild import rebuild
from cityloop.cli.source import source_app
from cityloop.cli.up import up
from cityloop.cli.workers import workers
from cityloop.kernel.errors import CityloopError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.command()(up)
app.command()(init)
app.command("import")(import_)
app.command()(check)
app.command("commission")(commission_)
app.command()(broker)
app.command()(backup)
app.command()(restore)
app.command()(rebuild)
app.command()(workers)
app.add_typer(bench_app, name="bench")
app.add_typer(bus_app, name="bus")
app.add_typer(context_app, name="context")
app.add_typer(source_app, name="source")


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


@app.callback()
def _root() -> None:
    """An open city brain: closed loops on one shared picture of the city."""


def main() -> None:
    """Run the command line; each thing a person can mend is a line on stderr, and exit code 2."""
    try:
        app()
    except CityloopError as error:
        sys.stderr.writelines(f"cityloop: {line}\n" for line in str(error).splitlines())
        sys.exit(2)
