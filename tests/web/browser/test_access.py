"""WCAG 2.2 AA as far as a program can tell: axe-core finds nothing serious on any page."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.web.browser.test_pages import PAGES
from tests.web.conftest import Served

AXE = Path(__file__).parents[3] / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN = """async tags => {
    const found = await axe.run(document, {runOnly: tags, resultTypes: ["violations"]});
    return found.violations.map(one => ({
        rule: one.id, impact: one.impact, nodes: one.nodes.map(node => node.html).slice(0, 3),
    }));
}"""


def violations(page: Page) -> list[object]:
    """What axe-core holds serious or critical on the page as it stands."""
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: run `make setup`")
    page.evaluate(AXE.read_text())
    found = page.evaluate(RUN, RULES)
    return [one for one in found if one["impact"] in ("serious", "critical")]


@pytest.mark.parametrize(
    ("scheme", "locale"),
    [
        ("light", "en-GB"),
        ("dark", "zh-CN"),
        pytest.param("dark", "en-GB", marks=pytest.mark.slow),
        pytest.param("light", "zh-CN", marks=pytest.mark.slow),
    ],
)
def test_no_page_has_a_serious_fault(
    browser: Browser, live: Served, scheme: str, locale: str
) -> None:
    page = browser.new_page(
        base_url=live.url,
        locale=locale,
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": 1280, "height": 800},
        reduced_motion="reduce",
    )
    found = {}
    for name in ["", "junction/intersection_2_2", *PAGES]:
        page.goto(f"/#/{name}")
        expect(page.locator("main h2:visible").first).to_be_visible()
        expect(page.locator("[data-resource=reading]:visible")).to_have_count(0)
        found[name] = violations(page)
    page.close()
    assert {name: one for name, one in found.items() if one} == {}


def test_a_dialog_has_no_serious_fault(page: Page) -> None:
    page.goto("/#/alarms")
    page.get_by_role("button", name="Escalate …").first.click()
    assert violations(page) == []


def test_every_target_is_24_pixels_or_stands_in_a_sentence(page: Page) -> None:
    """But for what stands at its place on the map, where WCAG 2.5.8 has the place essential."""
    small = """() => [...document.querySelectorAll("button, a, select, input")]
        .filter(one => one.offsetParent && !one.closest("p") && !one.closest(".maplibregl-map"))
        .map(one => [one.outerHTML.slice(0, 80), one.getBoundingClientRect()])
        .filter(([, box]) => box.width < 24 || box.height < 24)
        .filter(([html]) => !/class="(device|skip)|checkbox/.test(html))
        .map(([html]) => html)"""
    for name in ["", *PAGES]:
        page.goto(f"/#/{name}")
        expect(page.locator("main h2:visible").first).to_be_visible()
        expect(page.locator("[data-resource=reading]:visible")).to_have_count(0)
        assert page.evaluate(small) == []
