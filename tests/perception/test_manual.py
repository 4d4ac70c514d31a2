"""What the pages of sources tell people to paste works."""

import re
import tomllib
from pathlib import Path

import msgspec
import pytest
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
