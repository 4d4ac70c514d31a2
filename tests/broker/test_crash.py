"""kill -9 at any moment: every acknowledged write is there after the restart, no other half."""

import threading
from pathlib import Path

import httpx

from tests.broker.running import running


def batch(number: int) -> list[dict[str, object]]:
    """Twenty entities that all tell the number of their batch."""
    return [
        {"id": f"urn:ngsi-ld:Lamp:{i}", "type": "Lamp", "number": number, f"only{number}": i}
        for i in range(20)
    ]


def test_every_acknowledged_batch_survives_a_kill_and_no_batch_is_half_there(
    tmp_path: Path, free_port: int
) -> None:
    with running(tmp_path, free_port) as broker:
        acknowledged = 0
        for _ in range(3):
            killer = threading.Timer(0.7, broker.process.kill)
            killer.start()
            number = acknowledged
            try:
                while True:
                    number += 1
                    broker.post("/entityOperations/upsert", batch(number)).raise_for_status()
                    acknowledged = number
            except httpx.HTTPError:
                killer.join()
                broker.kill()
            broker.start()
            seen = {
                broker.get(f"/entities/urn:ngsi-ld:Lamp:{i}?options=keyValues")["number"]
                for i in range(20)
            }
            assert len(seen) == 1
            assert acknowledged <= min(seen) <= number
        assert acknowledged > 3
        assert broker.stop() == 0
