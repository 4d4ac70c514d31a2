"""Writes the types of the APIs for the page, from the route tables, into frontend/src.

``schema.d.ts`` are the city's own, ``ngsild.d.ts`` those of the NGSI-LD broker.
``python -m scripts.api_types``; run it when an address or a type of the API changed.
"""

import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, cast

import msgspec

from cityloop.web.app import route_table
from cityloop.web.ngsild import openapi
from cityloop.web.ngsild.app import ROUTES
from cityloop.web.openapi import document
from cityloop.web.port import CityPort

FRONTEND = Path(__file__).resolve().parent.parent / "frontend"
TYPES = FRONTEND / "src" / "schema.d.ts"
BROKER_TYPES = FRONTEND / "src" / "ngsild.d.ts"
GENERATOR = FRONTEND / "node_modules" / ".bin" / "openapi-typescript"


def write_types(into: Path) -> None:
    """Generate the city's; raises OSError or CalledProcessError without Node and its packages."""
    nobody = cast(CityPort, None)  # only asked when an address is
    _generate(document(route_table(nobody, asyncio.Event())), into)


def write_broker_types(into: Path) -> None:
    """Generate the broker's; raises as `write_types` does."""
    _generate(openapi.document(ROUTES), into)


def _generate(described: dict[str, Any], into: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        schema = Path(folder) / "openapi.json"
        schema.write_bytes(msgspec.json.encode(described))
        command = [str(GENERATOR), str(schema), "-o", str(into)]
        subprocess.run(command, check=True, capture_output=True, text=True)


if __name__ == "__main__":
    write_types(TYPES)
    write_broker_types(BROKER_TYPES)
    sys.stdout.write(f"{TYPES} and {BROKER_TYPES} are current\n")
