"""Writes frontend/src/schema.d.ts, the API's types for the page, from the route table.

``python -m scripts.api_types``; run it when an address or a type of the API changed.
"""

import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import cast

import msgspec

from cityloop.web.app import route_table
from cityloop.web.openapi import document
from cityloop.web.port import CityPort

FRONTEND = Path(__file__).resolve().parent.parent / "frontend"
TYPES = FRONTEND / "src" / "schema.d.ts"
GENERATOR = FRONTEND / "node_modules" / ".bin" / "openapi-typescript"


def write_types(into: Path) -> None:
    """Generate the types; raises OSError or CalledProcessError without Node and its packages."""
    nobody = cast(CityPort, None)  # only asked when an address is
    table = route_table(nobody, asyncio.Event())
    with tempfile.TemporaryDirectory() as folder:
        schema = Path(folder) / "openapi.json"
        schema.write_bytes(msgspec.json.encode(document(table)))
        command = [str(GENERATOR), str(schema), "-o", str(into)]
        subprocess.run(command, check=True, capture_output=True, text=True)


if __name__ == "__main__":
    write_types(TYPES)
    sys.stdout.write(f"{TYPES} is current\n")
