"""``make run-scaled``: the shipped city on PostgreSQL, NATS JetStream and Ray."""

import signal
import subprocess
import sys
from pathlib import Path

import httpx
import msgspec
import psutil
import pytest
from scripts.servers.nats import has_nats
from scripts.servers.postgres import found_programs
from tests.conftest import ROOT
from tests.faults.running import until

PATIENCE_S = 240


@pytest.mark.slow
def test_the_same_city_decides_on_servers_and_leaves_no_process(
    tmp_path: Path, free_port: int
) -> None:
    if found_programs() is None or not has_nats():
        pytest.skip("no PostgreSQL or no nats-server here")
    command = [sys.executable, "-m", "scripts.run_scaled"]
    command += ["--port", str(free_port), "--folder", str(tmp_path)]
    city = psutil.Popen(command, cwd=ROOT)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{free_port}") as client:
            until("decisions", lambda: decides(client), PATIENCE_S)
            assert client.get("/health/ready").status_code == httpx.codes.OK
        shown = subprocess.run(
            [sys.executable, "-m", "cityloop", "workers", tmp_path / "city", "--json"],
            capture_output=True,
            check=True,
        )
        states = [part["state"] for part in msgspec.json.decode(shown.stdout)]
        assert states == ["live", "live"]
        family = city.children(recursive=True)
        city.send_signal(signal.SIGINT)
        assert city.wait(30) == 0
        _, alive = psutil.wait_procs(family, 5)
        assert not alive
    finally:
        if city.is_running():
            city.kill()


def decides(client: httpx.Client) -> bool | None:
    """True once the loop has decided something."""
    try:
        summary = client.get("/api/summary").json()
    except httpx.TransportError:
        return None
    return True if summary["decisions_total"] else None
