"""What a command waits for before it runs: the modules that it loads, not its time."""

import subprocess
import sys

import pytest

HEAVY = {
    *("aiohttp", "apsw", "duckdb", "httpx", "libsumo", "matplotlib", "numba", "pyarrow"),
    *("shapely", "starlette", "structlog", "sumolib", "traci", "uvicorn", "xlsxwriter"),
}
"""What costs more to import than all that the command line itself needs."""
WALK = """
import sys, typer.main
from typer.testing import CliRunner
from cityloop.cli.main import app

def walk(command, words):
    if isinstance(command, typer.core.TyperGroup):
        for word, inner in command.commands.items():
            walk(inner, [*words, word])
    assert CliRunner().invoke(app, [*words, "--help"]).exit_code == 0, words

walk(typer.main.get_command(app), [])
"""
LOADED = "\nprint(*sorted({name.partition('.')[0] for name in sys.modules}))"


def loaded(program: str) -> set[str]:
    """Top-level packages that a fresh Python holds after ``program``."""
    command = [sys.executable, "-c", program + LOADED]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_no_command_s_help_loads_what_its_run_needs() -> None:
    assert loaded(WALK) & HEAVY == set()


def test_a_broker_alone_loads_neither_simulator_nor_compiler() -> None:
    program = "import sys, cityloop.city.broker, cityloop.web.ngsild.server"
    assert loaded(program) & {"libsumo", "sumolib", "traci", "numba", "duckdb"} == set()


@pytest.mark.parametrize("words", [["get", "urn:x:1"], ["query", "--type", "A"]])
def test_asking_a_broker_loads_a_client_and_nothing_of_a_city(words: list[str]) -> None:
    asks = ["context", *words, "--broker", "http://127.0.0.1:9"]
    program = f"""
import sys
from typer.testing import CliRunner
from cityloop.cli.main import app
assert CliRunner().invoke(app, {asks!r}).exit_code == 1
"""
    assert loaded(program) & HEAVY == {"httpx"}
