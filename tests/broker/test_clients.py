"""A client that others wrote finds here what it expects of an NGSI-LD broker."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.broker.hearer import hearing
from tests.broker.running import running

WALK = Path(__file__).parent / "filip_walk.py"
PYTHON = Path(__file__).parents[2] / ".tools" / "clients" / "bin" / "python"


@pytest.mark.skipif(not PYTHON.exists(), reason="FiLiP is not set up: run the tests by make")
def test_filip_creates_asks_and_subscribes(tmp_path: Path, free_port: int) -> None:
    async def walk() -> tuple[dict[str, object], list[dict[str, object]]]:
        async with hearing() as hearer:
            command = [str(PYTHON), str(WALK), f"http://127.0.0.1:{free_port}", hearer.url]
            filip = await asyncio.create_subprocess_exec(
                *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
            )
            out, err = await filip.communicate()
            assert filip.returncode == 0, err.decode()
            return json.loads(out), await hearer.until(1)

    with running(tmp_path, free_port):
        said, heard = asyncio.run(walk())
    subscription = "urn:ngsi-ld:Subscription:full"
    full = ["urn:ngsi-ld:OffStreetParking:1", "urn:ngsi-ld:OffStreetParking:2"]
    assert said == {
        "subscribed": subscription,
        "full": full,
        "free": 7,
        "subscriptions": [subscription],
    }
    assert [entity["id"] for entity in heard[0]["data"]] == full[:1]
