"""Loops in parts on Ray: killed, paused, woken, moved; the decisions are those of the hub alone."""

import os
import signal
from pathlib import Path

import psutil
import pytest
from tests.faults.running import HANGZHOU, TENANT, RunningCity, running, until

from cityloop.city.clock import wall_time
from cityloop.city.workers_file import WorkerRow, read_workers
from cityloop.interconnection.tenant import open_tenant
from cityloop.kernel.cycle import DECISION
from cityloop.kernel.errors import ConfigError
from cityloop.kernel.ports import Position

pytestmark = [pytest.mark.slow]
pytest.importorskip("ray", reason="no Ray here: pip install 'cityloop[scaled]'")
_TICKS = 600
_START_S = 240.0
"""Ray takes 4 to 10 s to start, and far longer on a machine that has other work."""


def city(folder: Path, workers: str) -> Path:
    """Hangzhou for a few minutes, as fast as it goes."""
    home = folder / workers
    home.mkdir()
    for table in HANGZHOU.iterdir():
        if table.is_file() and table.name != "city.toml":
            (home / table.name).symlink_to(table)
    text = (HANGZHOU / "city.toml").read_text()
    text = text.replace("[anchor]", f'workers = "{workers}"\n\n[anchor]', 1)
    text = text.replace("speed = 5 ", f'speed = "max"\nhour_s = {_TICKS}\n#', 1)
    (home / "city.toml").write_text(text.replace('"webster"', '"none"'))
    return home


def decisions(data: Path) -> list[tuple[object, ...]]:
    """What was decided, as the log holds it: ids, actions, verdicts, modes, reasons, inputs."""
    tenant = open_tenant(data, TENANT, wall_time, readonly=True)
    columns = ("action", "verdict", "mode", "reason", "inputs")
    try:
        return [
            (name, *(str(part[column][row]) for column in columns))
            for commit in tenant.log.read(Position(0))
            for part in commit.batch.frames
            if part.type == DECISION
            for row, name in enumerate(part.ids.names)
        ]
    finally:
        tenant.close()


def whole(data: Path, port: int, home: Path) -> list[tuple[object, ...]]:
    """The decisions of an unbroken run."""
    with running(data, port, "--runs", "1", city=home) as one:
        one.process.wait(120)
    return decisions(data)


def live(one: RunningCity) -> list[WorkerRow] | None:
    """The parts, once every one is at work."""
    try:
        rows = read_workers(one.folder)
    except ConfigError:
        return None
    return rows if all(row.state == "live" and psutil.pid_exists(row.pid) for row in rows) else None


def replaced(one: RunningCity, before: WorkerRow) -> WorkerRow | None:
    """Who holds a part after ``before``, at work."""
    rows = live(one) or []
    found = [row for row in rows if (row.loop, row.part) == (before.loop, before.part)]
    return found[0] if found and found[0].epoch > before.epoch else None


def test_parts_killed_paused_and_woken_decide_what_an_unbroken_hub_decides(
    tmp_path: Path, free_port: int
) -> None:
    expected = whole(tmp_path / "a", free_port, city(tmp_path, "hub"))
    data = tmp_path / "b"
    with running(data, free_port, "--runs", "1", city=city(tmp_path, "ray")) as one:
        rows = until("parts at work", lambda: live(one), _START_S)
        assert len(rows) == 2
        for turn in range(3):
            victim = rows[turn % 2]
            os.kill(victim.pid, signal.SIGKILL)
            rows = until("another in its place", lambda v=victim: replaced(one, v) and live(one))
        paused = rows[0]
        os.kill(paused.pid, signal.SIGSTOP)
        heir = until("another in its place", lambda: replaced(one, paused))
        os.kill(paused.pid, signal.SIGCONT)
        assert heir.pid != paused.pid
        until("its end", lambda: True if not psutil.pid_exists(paused.pid) else None)
        one.process.wait(180)
    assert decisions(data) == expected
    tenant = open_tenant(data, TENANT, wall_time, readonly=True)
    refused = [kept.reason for kept in tenant.rejects.newest(10)]
    tenant.close()
    assert any(f"epoch {paused.epoch}." in reason for reason in refused), refused


def test_a_city_ends_its_cluster_with_it_and_listens_on_loopback_alone(
    tmp_path: Path, free_port: int
) -> None:
    with running(tmp_path / "a", free_port, city=city(tmp_path, "ray")) as one:
        until("parts at work", lambda: live(one), _START_S)
        family = psutil.Process(one.process.pid).children(recursive=True)
        heard = {
            connection.laddr.ip
            for process in family
            for connection in process.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        }
        assert heard <= {"127.0.0.1", "::ffff:127.0.0.1"}
        assert one.stop() < 3.0
        assert not psutil.wait_procs(family, 3.0)[1], "somebody of the cluster lives on"
