"""The server that tests and ``make run-scaled`` stand on."""

import psycopg
from scripts.servers.postgres import Postgres


def test_what_was_committed_outlasts_the_servers_sudden_end(
    postgres_server: Postgres, postgres_url: str
) -> None:
    with psycopg.connect(postgres_url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
        assert connection.execute("SHOW fsync").fetchone() == ("on",)

    postgres_server.stop("immediate")
    postgres_server.start()

    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)
