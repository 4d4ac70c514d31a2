"""What the gate refused, and what was measured of runs, in PostgreSQL."""

from pathlib import Path

from cityloop.interconnection.postgres.database import TENANT, Layout, PostgresDatabase

REJECTS = Layout(
    "rejects",
    1,
    f"""
CREATE TABLE rejects(
    {TENANT}, number bigint, rejected_at bigint NOT NULL, source text NOT NULL, run text NOT NULL,
    at bigint NOT NULL, entity text NOT NULL, attribute text NOT NULL, value text NOT NULL,
    reason text NOT NULL, PRIMARY KEY (tenant, number)
);
CREATE TABLE contents({TENANT}, number bigint, content bytea NOT NULL,
    PRIMARY KEY (tenant, number));
CREATE TABLE totals({TENANT}, name text, count bigint NOT NULL, PRIMARY KEY (tenant, name))
""",
    ("rejects", "contents", "totals"),
)
MEASURED = Layout(
    "measured",
    1,
    f"""
CREATE TABLE measured({TENANT}, run text, at bigint, body bytea NOT NULL,
    PRIMARY KEY (tenant, run, at))
""",
    ("measured",),
)


def postgres_rejects(folder: Path, url: str, *, readonly: bool) -> PostgresDatabase:
    """The tables of ``StoredRejects``, of the tenant that ``folder`` is named after."""
    return PostgresDatabase(url, folder.name, REJECTS, durable=False, readonly=readonly)


def postgres_measured(folder: Path, url: str) -> PostgresDatabase:
    """Those of ``StoredMeasured``, of the tenant that ``folder`` is named after."""
    return PostgresDatabase(url, folder.name, MEASURED, durable=False)
