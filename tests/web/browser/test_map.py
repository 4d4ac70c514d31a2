"""The map, the junction's panel and the time slider as a person meets them."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from tests.web.browser.conftest import hold
from tests.web.conftest import Served

INKED = """() => {
  const canvas = document.querySelector('canvas.vehicles');
  if (canvas === null) return false;
  const blank = document.createElement('canvas');
  blank.width = canvas.width;
  blank.height = canvas.height;
  return canvas.toDataURL() !== blank.toDataURL();
}"""
MOVED = """([x, least]) =>
  Math.abs(document.querySelector('.spot').getBoundingClientRect().x - x) > least"""


@pytest.fixture
def plain(browser: Browser, chromium: str, live: Served) -> Iterator[Page]:
    """The page in a browser without WebGL."""
    arguments = ["--no-sandbox", "--disable-3d-apis"]
    other = browser.browser_type.launch(executable_path=chromium, args=arguments)
    page = other.new_page(base_url=live.url, locale="en-GB")
    page.goto("/")
    yield page
    other.close()


def slider(page: Page) -> None:
    """Focus the time slider."""
    expect(page.get_by_role("slider")).to_be_enabled()
    page.get_by_role("slider").focus()
    expect(page.get_by_role("slider")).to_be_focused()


def test_the_ground_is_drawn_by_webgl_without_a_word_from_outside(page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    expect(page.locator(".stage[data-ground=gl] canvas.maplibregl-canvas")).to_be_visible()
    assert {url.split("/")[2] for url in asked} == {page.url.split("/")[2]}


def test_without_webgl_the_map_is_drawn_plainly_and_says_so(plain: Page) -> None:
    expect(plain.locator(".ground-note")).to_contain_text("no WebGL")
    expect(plain.locator(".drawing .queue")).not_to_have_count(0)
    plain.locator(".spot").nth(5).click()
    expect(plain.locator(".junction")).to_be_visible()


def test_vehicles_are_drawn_where_they_are(page: Page, live: Served) -> None:
    live.advance(5)
    page.wait_for_function(INKED)


def test_a_registered_device_stands_between_the_junctions_where_its_table_says(page: Page) -> None:
    mark = page.locator(".device")
    expect(page.locator(".stage[data-ground=gl]")).to_be_visible()
    expect(mark).to_have_count(1)
    expect(mark).to_have_attribute("title", "WeatherObserved Roof\nWeather office")
    box = mark.bounding_box()
    spots = [spot.bounding_box() for spot in page.locator(".spot").all()]
    assert box is not None
    xs = [spot["x"] for spot in spots if spot]
    assert min(xs) < box["x"] < max(xs)
    mark.click()
    assert page.url.endswith("#/sensors")


def test_roads_are_coloured_by_speed_when_asked(page: Page) -> None:
    expect(page.locator(".legend .steps")).to_contain_text("Queue per lane")
    page.get_by_role("button", name="Speed", exact=True).click()
    expect(page.locator(".legend .steps")).to_contain_text("km/h")


def test_nearer_makes_the_signs_part_and_whole_brings_them_back(page: Page, live: Served) -> None:
    # A paused city does not grow stale: no banner comes and moves the map meanwhile.
    live.city.paused = True
    live.do(live.city.tell())
    expect(page.locator(".fresh")).to_have_text("Paused")
    expect(page.locator(".stage[data-ground=gl]")).to_be_visible()
    home = page.locator(".spot").first.bounding_box()
    assert home
    page.get_by_role("button", name="Nearer").click()
    page.wait_for_function(MOVED, arg=[home["x"], 40])
    page.get_by_role("button", name="Whole network").click()
    page.wait_for_function(f"([x]) => !({MOVED})([x, 1])", arg=[home["x"]])


@pytest.mark.parametrize("reach", ["hover", "focus"])
def test_a_junction_is_told_of_beside_pointer_and_focus(page: Page, reach: str) -> None:
    getattr(page.locator(".spot").nth(5), reach)()
    expect(page.locator(".tip")).to_contain_text("intersection 2 2")
    expect(page.locator(".tip li").first).to_have_text(re.compile(r"From .+: \d+ of \d+ halting"))


def test_the_panel_shows_the_stages_of_the_last_minutes(page: Page) -> None:
    page.locator(".spot").first.click()
    expect(
        page.get_by_role("img", name=re.compile(r"Stages.+phase \d green \d+ s"))
    ).to_be_visible()
    expect(page.locator(".timeline .ends")).to_have_text("10:10:0010:15:00")


def test_the_panel_can_show_only_what_the_guard_refused(page: Page) -> None:
    page.locator(".spot").first.click()
    reasons = page.locator(".reasons")
    reasons.get_by_role("button", name="Refused").click()
    expect(reasons.locator("li .verdict").first).to_have_text("Refused")
    expect(reasons.locator("li .verdict", has_text="passed")).to_have_count(0)


def test_the_slider_shows_a_past_second_plainly_not_live(page: Page, live: Served) -> None:
    slider(page)
    page.keyboard.press("Home")
    expect(page.locator(".clock")).to_have_text("10:10:01")
    expect(page.locator(".slider .mark")).to_have_text("Replay, not live")
    live.advance(30)
    expect(page.locator(".clock")).to_have_text("10:10:01")
    page.get_by_role("button", name="Back to live").click()
    expect(page.locator(".clock")).to_have_text("10:15:30")
    expect(page.locator(".slider .mark")).to_have_text("")


def test_the_past_is_walked_by_keyboard_and_played(page: Page) -> None:
    slider(page)
    for key in ("Home", "PageUp", "ArrowRight"):
        page.keyboard.press(key)
    expect(page.locator(".clock")).to_have_text("10:11:06")
    page.keyboard.press("Space")
    expect(page.locator(".clock")).to_have_text(re.compile(r"10:1[1-4]:(07|[1-5]\d)"))
    page.keyboard.press("End")
    expect(page.locator(".clock")).to_have_text("10:15:00")


def test_news_do_not_take_the_slider_from_who_waits_for_a_slow_record(
    page: Page, live: Served
) -> None:
    held: list[Route] = []
    page.route("**/api/history/moment*", lambda route: hold(held, route), times=1)
    slider(page)
    page.keyboard.press("Home")
    live.advance(1)
    expect(page.locator(".clock")).to_have_text("10:15:01")
    page.keyboard.press("PageUp")
    held[0].continue_()
    expect(page.locator(".clock")).to_have_text("10:11:01")


def test_nothing_is_operated_while_the_past_is_shown(page: Page) -> None:
    page.locator(".spot").first.click()
    slider(page)
    page.keyboard.press("Home")
    expect(page.locator(".junction .past")).to_contain_text("10:10:01")
    expect(page.locator(".junction").get_by_role("button", name="Hold")).to_be_disabled()


def test_a_record_that_does_not_answer_is_told_of(browser: Browser, live: Served) -> None:
    page = browser.new_page(base_url=live.url, locale="en-GB")
    page.goto("/")
    page.route("**/api/history/moment*", lambda route: route.abort())
    slider(page)
    page.keyboard.press("Home")
    expect(page.locator(".slider .trouble")).to_contain_text("The city does not answer.")
    expect(page.locator(".slider")).to_have_attribute("data-replay", "false")
    page.close()
