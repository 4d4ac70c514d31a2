"""``cityloop context``: a broker on the command line."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cityloop.cli.main import app
from tests.broker.running import running


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, unused_port: int) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("broker"), unused_port):
        yield f"http://127.0.0.1:{unused_port}"


def said(*words: str, given: str = "") -> str:
    result = CliRunner().invoke(app, ["context", *words], input=given)
    if result.exception is not None:
        return str(result.exception)
    return result.output


def test_what_is_put_is_got_and_found(address: str, tmp_path: Path) -> None:
    lamps = [{"id": f"urn:ngsi-ld:Lamp:{n}", "type": "Lamp", "level": n} for n in (1, 2)]
    (tmp_path / "lamps.json").write_text(json.dumps(lamps))
    put = said("put", str(tmp_path / "lamps.json"), "--broker", address)
    assert put == "2 created, 0 brought up to date\n"
    again = said("put", "-", "--broker", address, given=json.dumps(lamps[0]))
    assert again == "0 created, 1 brought up to date\n"
    got = json.loads(said("get", "urn:ngsi-ld:Lamp:1", "--broker", address))
    assert got["level"] == {"type": "Property", "value": 1}
    found = said("query", "--type", "Lamp", "--q", "level>1", "--broker", address)
    assert json.loads(found) == lamps[1]


def test_the_broker_s_reason_is_told(address: str) -> None:
    assert "urn:ngsi-ld:Lamp:9" in said("get", "urn:ngsi-ld:Lamp:9", "--broker", address)
    assert "too wide" in said("query", "--broker", address)


def test_a_broker_that_is_not_there_is_told_with_how_to_start_one() -> None:
    # Nobody serves HTTP on the port of "discard".
    assert "cityloop broker" in said("get", "urn:x:1", "--broker", "http://127.0.0.1:9")
