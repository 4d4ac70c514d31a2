"""A quarter of an hour of Hangzhou from the shipped tables."""

from pathlib import Path

import pytest

from cityloop.twins.sumo.scenario import SumoScenario
from cityloop.twins.sumo.tables import build_tables

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def quarter(tmp_path_factory: pytest.TempPathFactory) -> SumoScenario:
    """The first 900 s; whoever departs later does not count."""
    built = build_tables(ROOT / "examples" / "hangzhou", tmp_path_factory.mktemp("tables"))
    return SumoScenario(built.net, built.routes, (), 0.0, 900.0)
