"""What the pages of sources tell people to paste works."""

import asyncio
import json
import re
import sys
import tomllib
from asyncio.subprocess import PIPE
from pathlib import Path

import msgspec
import pytest
from tests.perception.conftest import HeldIntake
from tests.perception.test_push import pushed
from tests.standards.payloads import NOW

from cityloop.perception.sources import AnySource
from cityloop.perception.sources.poll import PollSettings, decoder

PAGES = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "sources"
POLLED = re.findall(
    r"^`([\w-]+)`[^\n]*:\n\n```json\n(.*?)```",
    (PAGES / "polling.md").read_text(),
    re.MULTILINE | re.DOTALL,
)


def _settings() -> list[tuple[str, str]]:
    """(page, text) of every block that declares a source."""
    return [
        (page.name, block)
        for page in sorted(PAGES.glob("*.md"))
        for block in re.findall(r"```toml\n(.*?)```", page.read_text(), re.DOTALL)
        if re.search(r"^\[sources\.\w+\]", block, re.MULTILINE)
    ]


@pytest.mark.parametrize(("page", "block"), _settings())
def test_the_settings_of_a_page_are_sound(page: str, block: str) -> None:
    for raw in tomllib.loads(block)["sources"].values():
        settings = msgspec.convert(raw, AnySource)
        assert list(settings.mistakes()) == []


@pytest.mark.parametrize(("format_", "payload"), POLLED)
def test_the_payload_of_a_page_is_read_without_a_fault(format_: str, payload: str) -> None:
    raw = {"kind": "poll", "url": "http://x/y", "format": format_}
    settings = msgspec.convert(
        raw | {"properties": {"PM2.5": "AirQualityObserved.pm25"}}, PollSettings
    )
    decoded = decoder(settings)(payload.encode(), NOW)
    assert decoded.readings
    assert decoded.faults == ()


def test_every_json_format_has_a_payload_to_paste() -> None:
    assert {name for name, _ in POLLED} == {
        "gbfs",
        "open-meteo",
        "open311",
        "openaq",
        "sensorthings",
    }


def test_the_program_that_posts_columns_is_answered(free_port: int, tmp_path: Path) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", (PAGES / "http-push.md").read_text(), re.DOTALL)
    program = program.replace(":8010", f":{free_port}")

    async def talk(_: object, intake: HeldIntake) -> None:
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=PIPE)
        told, _ = await child.communicate()
        assert json.loads(told) == {"accepted": 2, "rejected": 0, "rejects": []}
        assert intake.entities == [f"urn:ngsi-ld:AirQualityObserved:Main-{n}" for n in (12, 14)]

    pushed(free_port, tmp_path, talk)
