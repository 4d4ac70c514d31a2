"""The broker's API describes itself: every operation that it has, and no other."""

from pathlib import Path

import pytest
from scripts.api_types import BROKER_TYPES, GENERATOR, write_broker_types

from cityloop.web.ngsild.app import ROUTES
from cityloop.web.ngsild.described import PARAMETERS, TOLD
from cityloop.web.ngsild.openapi import document


def test_every_operation_and_every_parameter_is_described_and_no_other() -> None:
    assert {f"{route.method} {route.path}" for route in ROUTES} == TOLD.keys()
    assert {name for route in ROUTES for name in route.params} == PARAMETERS.keys()


def test_operations_have_names_of_their_own() -> None:
    paths = document(ROUTES)["paths"].values()
    names = [operation["operationId"] for path in paths for operation in path.values()]
    assert len(names) == len(set(names))


@pytest.mark.skipif(not GENERATOR.exists(), reason="no Node packages here: run `make setup`")
def test_the_types_of_the_page_are_those_of_the_broker(tmp_path: Path) -> None:
    write_broker_types(tmp_path / "ngsild.d.ts")
    now = (tmp_path / "ngsild.d.ts").read_text()
    assert now == BROKER_TYPES.read_text(), "run `python -m scripts.api_types`"
