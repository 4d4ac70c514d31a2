"""The API describes itself, and the page's types follow from the description."""

from pathlib import Path

import httpx
import pytest
from scripts.api_types import GENERATOR, TYPES, write_types


def test_the_api_describes_every_address_it_answers(client: httpx.Client) -> None:
    told = client.get("/api/openapi.json").json()
    assert told["openapi"] == "3.1.0"
    assert {"get"} == set(told["paths"]["/api/summary"])
    assert "/api/junctions/{id}/operate" in told["paths"]


def test_a_query_is_described_with_its_bounds(client: httpx.Client) -> None:
    told = client.get("/api/openapi.json").json()["paths"]["/api/decisions"]["get"]
    limit = next(one for one in told["parameters"] if one["name"] == "limit")
    assert limit["schema"] == {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}


def test_a_verb_that_an_address_lacks_is_told_with_those_it_has(client: httpx.Client) -> None:
    answer = client.put("/api/drive", json={})
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"


@pytest.mark.skipif(not GENERATOR.exists(), reason="no Node packages here: run `make setup`")
def test_the_types_of_the_page_are_those_of_the_api(tmp_path: Path) -> None:
    write_types(tmp_path / "schema.d.ts")
    now = (tmp_path / "schema.d.ts").read_text()
    assert now == TYPES.read_text(), "run `python -m scripts.api_types`"
