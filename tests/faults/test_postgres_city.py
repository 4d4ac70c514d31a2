"""A city whose log and context lie in PostgreSQL."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from scripts.servers.postgres import Postgres
from tests.faults.running import RunningCity, running, until
from tests.faults.town import LAMP, build_real_town, levels, open_door, push

pytest.importorskip("psycopg", reason="no psycopg: pip install 'cityloop[scaled]'")


@pytest.mark.slow
def test_a_restart_of_server_and_hub_loses_and_repeats_nothing(
    tmp_path: Path, free_port: int, unused_port: int, postgres_server: Postgres, postgres_url: str
) -> None:
    home, data = build_real_town(tmp_path / "town", LAMP), tmp_path / "data"
    with (home / "city.toml").open("a") as settings:
        settings.write(f'store = "{postgres_url}"\n')
    open_door(home, unused_port)
    with running(data, free_port, city=home) as city:
        tell(city, unused_port, 1)
        postgres_server.stop("immediate")
        until("an alarm that names the log", lambda: log_fails(city))
        postgres_server.start()
        tell(city, unused_port, 2)
        city.wait_reborn("hub", city.kill("hub"))
        tell(city, unused_port, 3)
        city.stop()
    assert not (data / "town" / "log.db").exists()
    assert levels(data, postgres_url) == {LAMP: [0.01, 0.02, 0.03]}


def said(level: int) -> dict[str, object]:
    return {"lamp": "1", "level": level / 100, "at": datetime.now(UTC).isoformat()}


def tell(city: RunningCity, port: int, level: int) -> None:
    """Post until it is acknowledged, as a sender does."""
    reading = said(level)

    def taken() -> bool | None:
        answer = push(city, port, reading, 60)
        if not answer.is_success:
            return None
        assert answer.json()["rejected"] == 0
        return True

    until("an acknowledgement", taken)


def log_fails(city: RunningCity) -> bool | None:
    alarms = city.get("/api/alarms") or []
    return any("log" in str(alarm) for alarm in alarms) or None
