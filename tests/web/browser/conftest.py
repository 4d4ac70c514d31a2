"""The built page in a real headless Chromium, before a replayed city."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright
from tests.web.conftest import Served
from tests.web.replay import ReplayCity

from cityloop.web.app import ASSETS

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
PATIENCE_MS = 30_000
"""What is there in a moment takes a while on two cores that are busy with other things."""
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """One for a module, not longer: while it is open, its event loop runs in this thread."""
    if not (ASSETS / "index.html").is_file():
        pytest.skip("the front end is not built: run `make setup`")
    with sync_playwright() as playwright:
        one = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield one
        one.close()


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Served]:
    """A city five minutes into its run, with the built page and a broker without entities."""
    served = Served(ReplayCity(), ASSETS, entities=tmp_path)
    served.advance(300)
    yield served
    served.close()


@pytest.fixture
def page(browser: Browser, live: Served) -> Iterator[Page]:
    """The live page in English; a test fails if anything is written to its console.

    But for what the software renderer says of its own speed.
    """
    context = browser.new_context(
        base_url=live.url, locale="en-GB", viewport={"width": 1280, "height": 800}
    )
    context.set_default_timeout(PATIENCE_MS)
    one = context.new_page()
    said: list[str] = []
    one.on("console", lambda message: said.append(message.text))
    one.on("pageerror", lambda error: said.append(str(error)))
    one.goto("/")
    yield one
    context.close()
    assert [text for text in said if "GL Driver Message (OpenGL, Performance" not in text] == []


def arrived(page: Page) -> None:
    """The newest second stands on the page. Not: it is live, for a city that waits for the test
    is stale after six seconds, and on a busy machine a test takes longer."""
    expect(page.locator(".clock")).to_have_text(re.compile(r"\d\d:\d\d:\d\d"))


def hold(held: list[Route], route: Route) -> None:
    """Keep an answer back; a list's own method cannot be told from a class by the driver."""
    held.append(route)
