"""What PostgreSQL adds to the broker: a server that holds tenants apart, and may go and come."""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from scripts.servers.postgres import Postgres, postgres

from cityloop.interconnection.broker.held import Held, written
from cityloop.interconnection.broker.ports import State
from cityloop.interconnection.postgres.broker_database import PgDatabase
from cityloop.kernel.errors import BusyError
from cityloop.kernel.ports import Position
from cityloop.standards.cim.writes import Put
from tests.broker.hearer import hearing
from tests.broker.places import Place
from tests.broker.running import Running, running


def put(state: State, id_: str, **attrs: Any) -> None:
    kept = {"id": id_, "type": ["T"], "createdAt": 1, "modifiedAt": 1, "attrs": attrs}
    with state.database.transaction():
        state.apply([written(None, Held(state.next_key(), kept), Put(kept))], Position(1))


def test_a_statement_that_forgets_the_tenant_sees_and_changes_its_own_rows_alone(
    postgres_url: str, tmp_path: Path
) -> None:
    place = Place(tmp_path, postgres_url)
    north, south = (place.tables(tenant=name).state() for name in ("north", "south"))
    put(north, "urn:n")
    put(south, "urn:s")
    south.database.execute("UPDATE entities SET modified = 7")
    assert south.database.execute("SELECT id FROM entities") == [("urn:s",)]
    assert north.database.execute("SELECT id, modified FROM entities") == [("urn:n", 1)]
    nobody = PgDatabase(postgres_url, "", durable=False)
    assert nobody.execute("SELECT 1 FROM entities") == []
    for each in (north, south, nobody):
        each.close()


def test_a_second_broker_of_a_tenant_is_refused(postgres_url: str, tmp_path: Path) -> None:
    tables = Place(tmp_path, postgres_url).tables()
    first = tables.state()
    with pytest.raises(BusyError, match="another broker"):
        tables.state()
    first.close()
    tables.state().close()


@pytest.mark.parametrize("text", ["nul \0 here", "\\u0000", "\ufeff", "😀"])
def test_every_text_is_kept_as_it_was_written_and_found(
    postgres_url: str, tmp_path: Path, text: str
) -> None:
    state = Place(tmp_path, postgres_url).tables().state()
    put(state, "urn:t", a={"": {"type": "Property", "value": [text, 1e2, 1.0], "createdAt": 1}})
    found = state.find("urn:t")
    assert found
    assert found.kept["attrs"]["a"][""]["value"] == [text, 1e2, 1.0]
    assert state.reader.attribute_names(0) == ["a"]
    state.close()


@pytest.fixture
def server() -> Iterator[Postgres]:
    """One of its own, for who ends it."""
    with tempfile.TemporaryDirectory() as folder, postgres(Path(folder)) as started:
        yield started


def answered(broker: Running, path: str) -> httpx.Response:
    """The answer once there is one that says no fault."""
    while (answer := broker.client.get(path)).status_code >= 500:
        assert answer.status_code == 503
    return answer


@pytest.mark.slow
@pytest.mark.usefixtures("postgres_server")
def test_a_server_that_crashes_costs_nothing_acknowledged_and_no_notification(
    server: Postgres, tmp_path: Path, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    place = Place(tmp_path, server.create("city"))
    acknowledged: set[int] = set()

    def write(broker: Running, first: int, last: int) -> None:
        for number in range(first, last):
            lamp = {"id": "urn:ngsi-ld:Lamp:1", "type": "Lamp", "level": number}
            if broker.post("/entityOperations/upsert", [lamp]).is_success:
                acknowledged.add(number)

    async def scene(broker: Running) -> None:
        async with hearing() as hearer:
            endpoint = {"endpoint": {"uri": hearer.url}}
            body = {
                "type": "Subscription",
                "entities": [{"type": "Lamp"}],
                "notification": endpoint,
            }
            broker.post("/subscriptions", body).raise_for_status()
            for round_ in range(3):
                await asyncio.to_thread(write, broker, 100 * round_, 100 * round_ + 50)
                server.stop("immediate")
                await asyncio.to_thread(write, broker, 100 * round_ + 50, 100 * round_ + 60)
                server.start()
                path = "/entities/urn:ngsi-ld:Lamp:1?options=keyValues"
                level = (await asyncio.to_thread(answered, broker, path)).json()["level"]
                assert level >= max(acknowledged)
            await asyncio.to_thread(write, broker, 300, 310)
            while not acknowledged <= {
                entity["level"]["value"] for told in hearer.heard for entity in told["data"]
            }:
                await hearer.until(len(hearer.heard) + 1)

    with running(place, free_port) as broker:
        asyncio.run(asyncio.wait_for(scene(broker), 120))
    assert len(acknowledged) > 150
