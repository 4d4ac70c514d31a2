"""What only the store of a city of many machines has to promise."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

pytest.importorskip("psycopg", reason="no psycopg: pip install 'cityloop[scaled]'")

from scripts.servers.postgres import Postgres

from cityloop.interconnection.postgres.database import PostgresDatabase
from cityloop.interconnection.postgres.log import LOG
from cityloop.interconnection.tenant import Place, open_log
from cityloop.kernel.clock import Clock
from cityloop.kernel.errors import BusyError
from cityloop.kernel.ports import Batch, Position

Tick = Callable[..., Batch]


@pytest.fixture
def place(tmp_path: Path, postgres_url: str) -> Place:
    """Of the tenant "town" in PostgreSQL."""
    (tmp_path / "town").mkdir()
    return Place(tmp_path / "town", postgres_url)


def test_a_forgotten_where_reads_and_changes_nothing_of_another_tenant(
    place: Place, clock: Clock, tick: Tick
) -> None:
    log = open_log(place, clock)
    log.append([tick(1), tick(2)])
    with closing(PostgresDatabase(place.store, "other", LOG, durable=True)) as other:
        assert other.execute("SELECT count(*) FROM batches") == [(0,)]
        other.execute("DELETE FROM batches")
        with pytest.raises(PermissionError, match="row-level security"):
            other.execute("INSERT INTO id_lists(tenant, digest, names) VALUES (1, 'a', 'b')")
    assert len(list(log.read(Position(0)))) == 2
    log.close()


def test_a_connection_that_speaks_for_no_tenant_sees_no_row(
    place: Place, clock: Clock, tick: Tick
) -> None:
    import psycopg

    with closing(open_log(place, clock)) as log:
        log.append([tick(1)])
    with psycopg.connect(place.store) as connection:
        assert connection.execute("SELECT * FROM cityloop_log.batches").fetchall() == []


def test_a_second_writer_is_refused_until_the_first_is_gone(
    place: Place, clock: Clock, tick: Tick
) -> None:
    first, second = open_log(place, clock), open_log(place, clock)
    first.append([tick(1)])
    with pytest.raises(BusyError, match="another process appends"):
        second.append([tick(2)])
    first.close()
    assert second.append([tick(1), tick(2)]) == 2
    second.close()


def test_after_the_server_restarted_the_log_goes_on_without_a_gap(
    place: Place, clock: Clock, tick: Tick, postgres_server: Postgres
) -> None:
    log = open_log(place, clock)
    log.append([tick(1)])
    assert log.last() == 1
    postgres_server.stop("immediate")
    with pytest.raises(OSError, match="log of town"):
        log.append([tick(2)])
    with pytest.raises(OSError, match="log of town"):
        log.last()
    postgres_server.start()
    assert log.last() == 1
    assert log.append([tick(1), tick(2)]) == 2
    assert [commit.batch.sequence for commit in log.read(Position(0))] == [1, 2]
    log.close()
