"""What the entity store promises: committed whole, seen in order, found again."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from cityloop.city.clock import wall_time
from cityloop.interconnection.broker.held import Held, Written, written
from cityloop.interconnection.broker.store import EntityStore
from cityloop.kernel.ports import Position
from cityloop.standards.cim.writes import Alter, Delete, Put, applied
from tests.broker.places import Place

TYPE = "https://example.org/Lamp"
NAME = "https://example.org/level"


def kept(name: str, value: Any, *types: str) -> dict[str, Any]:
    instance = {"type": "Property", "value": value, "createdAt": 1, "modifiedAt": 1}
    head = {"id": name, "type": [*types] or [TYPE], "createdAt": 1, "modifiedAt": 1}
    return {**head, "attrs": {NAME: {"": instance}}}


def opened(place: Place) -> EntityStore:
    store = EntityStore(place.tables(), wall_time)
    store.recover()
    return store


def put(store: EntityStore, entity: dict[str, Any]) -> Written:
    before = store.held(entity["id"])
    key = before.key if before else store.state.next_key()
    return written(before, Held(key, entity), Put(entity))


def altered(store: EntityStore, name: str, value: Any) -> Written:
    before = store.held(name)
    assert before
    instance = {"type": "Property", "value": value, "createdAt": 1, "modifiedAt": 2}
    write = Alter(name, 2, {NAME: {"": instance}})
    after = applied(before.kept, write)
    assert after
    return written(before, Held(before.key, after), write)


def value_of(store: EntityStore, name: str) -> Any:
    held = store.get(name)
    return held and held.kept["attrs"][NAME][""]["value"]


def test_an_acknowledged_write_is_seen_by_the_next_reader(place: Place) -> None:
    async def run() -> None:
        store = opened(place)
        await store.commit([put(store, kept("urn:a", 1))])
        assert value_of(store, "urn:a") == 1
        await store.close()

    asyncio.run(run())


def test_of_two_writers_on_one_entity_the_second_builds_on_the_first(place: Place) -> None:
    async def run() -> None:
        store = opened(place)
        await store.commit([put(store, kept("urn:a", 0))])

        async def add_one() -> None:
            held = store.held("urn:a")
            assert held
            now = held.kept["attrs"][NAME][""]["value"]
            await store.commit([altered(store, "urn:a", now + 1)])

        await asyncio.gather(*(add_one() for _ in range(50)))
        assert value_of(store, "urn:a") == 50
        # Fifty writers, few fsyncs: what queued during one goes into the next.
        assert store.log.last() <= 10
        await store.close()

    asyncio.run(run())


def test_tables_that_were_lost_are_folded_again_from_the_log(place: Place) -> None:
    async def run() -> None:
        store = opened(place)
        await store.commit([put(store, kept("urn:a", 1)), put(store, kept("urn:b", 1))])
        await store.commit([altered(store, "urn:a", 2), put(store, kept("urn:c", 3, "A", "B"))])
        gone = store.held("urn:b")
        await store.commit([written(gone, None, Delete("urn:b", 3))])
        tables = (
            "SELECT id, doc FROM entities",
            "SELECT type, id FROM entity_types JOIN entities USING (e)",
        )
        told = [sorted(store.state.database.execute(table)) for table in tables]
        for table in ("entities", "entity_types", "positions"):
            store.state.database.execute(f"DELETE FROM {table}")
        await store.close()
        again = opened(place)
        assert [sorted(again.state.database.execute(table)) for table in tables] == told
        assert value_of(again, "urn:b") is None
        await again.close()

    asyncio.run(run())


def test_a_full_disk_fails_the_writers_and_leaves_what_was_there(tmp_path: Path) -> None:
    async def run() -> None:
        store = opened(Place(tmp_path, ""))
        await store.commit([put(store, kept("urn:a", 1))])
        connection = store.log._writer.connection
        pages = connection.pragma("max_page_count", connection.pragma("page_count") + 2)
        with pytest.raises(OSError, match="full"):
            await store.commit([put(store, kept("urn:a", "x" * 200_000))])
        assert value_of(store, "urn:a") == 1
        assert store.held("urn:a") is not None
        connection.pragma("max_page_count", pages + 1000)
        await store.commit([altered(store, "urn:a", 2)])
        assert value_of(store, "urn:a") == 2
        await store.close()

    asyncio.run(run())


def test_the_log_of_a_store_reads_as_any_log(place: Place) -> None:
    async def run() -> None:
        store = opened(place)
        done = put(store, kept("urn:a", 1))
        await store.commit([done])
        await store.close()
        log = place.tables().log()
        (commit,) = log.read(Position(0))
        log.close()
        assert commit.batch.writes == (done.body,)

    asyncio.run(run())
