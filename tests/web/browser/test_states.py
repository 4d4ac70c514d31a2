"""What nobody draws by themselves: nothing yet, loading, stale, disconnected, refused, failed."""

import re

from playwright.sync_api import Browser, Page, Route, expect
from tests.web.browser.conftest import arrived, hold
from tests.web.conftest import Served
from tests.web.replay import ReplayCity

from cityloop.web.app import ASSETS


def test_before_the_map_has_come_the_page_says_that_it_reads(
    browser: Browser, live: Served
) -> None:
    page = browser.new_page(base_url=live.url, locale="en-GB")
    held: list[Route] = []
    page.route("**/api/map", lambda route: hold(held, route))
    page.goto("/")
    expect(page.get_by_role("status")).to_have_text("Reading the city …")
    held[0].continue_()
    expect(page.locator(".clock")).to_have_text("10:15:00")
    page.close()


def test_a_list_that_is_being_read_says_so(browser: Browser, live: Served) -> None:
    page = browser.new_page(base_url=live.url, locale="en-GB")
    held: list[Route] = []
    page.route("**/api/sensors", lambda route: hold(held, route))
    page.goto("/#/sensors")
    expect(page.locator(".resource p")).to_have_text("Reading …")
    held[0].continue_()
    expect(page.locator(".resource")).to_be_hidden()
    expect(page.locator(".data tbody tr")).to_have_count(12)
    page.close()


def test_before_the_first_second_the_page_says_that_nothing_came_yet(browser: Browser) -> None:
    served = Served(ReplayCity(), ASSETS)
    page = browser.new_page(base_url=served.url, locale="en-GB")
    page.goto("/")
    expect(page.locator(".banner")).to_contain_text("Nothing yet")
    page.goto("/#/decisions")
    expect(page.locator("main")).to_contain_text("No decision yet.")
    page.close()
    served.close()


def test_a_picture_without_news_says_how_old_it_is_until_there_is_some(
    browser: Browser, live: Served
) -> None:
    page = browser.new_page(base_url=live.url, locale="en-GB")
    page.clock.install()
    page.goto("/")
    arrived(page)
    page.clock.fast_forward(20_000)
    expect(page.locator(".banner")).to_contain_text(re.compile(r"No news for \d+ s"))
    expect(page.locator(".banner")).to_contain_text("/health/ready")
    live.advance(1)
    expect(page.locator(".fresh")).to_have_text("Live")
    expect(page.locator(".banner")).to_be_hidden()
    page.close()


def test_a_page_that_lost_its_server_says_how_old_it_is_and_comes_back(browser: Browser) -> None:
    served = Served(ReplayCity(), ASSETS)
    served.advance(300)
    page = browser.new_page(base_url=served.url, locale="en-GB")
    page.goto("/")
    arrived(page)
    served.close()
    expect(page.locator(".banner")).to_contain_text(re.compile(r"Connection lost.+\d s old"))
    again = Served(ReplayCity(), ASSETS, served.port)
    again.advance(330)
    expect(page.locator(".clock")).to_have_text("10:15:30")
    expect(page.locator(".banner")).to_be_hidden()
    page.close()
    again.close()


def test_without_its_hub_the_page_says_who_runs_the_junctions(page: Page, live: Served) -> None:
    arrived(page)
    live.city.hub_alive = False
    live.do(live.city.tell())
    expect(page.get_by_role("alert").first).to_contain_text("Every junction runs its local plan")


def test_a_refused_command_says_why(browser: Browser, live: Served) -> None:
    page = browser.new_page(base_url=live.url, locale="en-GB")
    page.goto("/")
    arrived(page)
    live.city.hub_alive = False
    page.get_by_role("button", name="Pause").click()
    expect(page.locator(".notice")).to_contain_text("The hub is away. Nothing was changed.")
    page.close()


def test_a_refusal_is_told_in_the_language_of_the_page(browser: Browser, live: Served) -> None:
    page = browser.new_page(base_url=live.url, locale="zh-CN")
    page.add_init_script("localStorage.setItem('cityloop.person', 'Li Wei')")
    page.goto("/#/alarms")
    row = page.get_by_role("row").filter(has_text="3 个传感器静默")
    for _ in range(2):
        row.get_by_role("button", name="上报").click()
        page.get_by_label("上报给").fill("Maintenance")
        page.get_by_role("dialog").get_by_role("button", name="上报").click()
        expect(row).to_contain_text("已上报 Maintenance")
    expect(page.locator(".notice")).to_have_text(
        re.compile("该告警（未确认）不能再这样处理，请重新查看。 未做任何更改。")
    )
    page.close()


def test_a_city_that_does_not_answer_can_be_asked_again(browser: Browser, live: Served) -> None:
    page = browser.new_page(base_url=live.url, locale="en-GB")
    page.route("**/api/map", lambda route: route.abort())
    page.goto("/")
    expect(page.get_by_role("alert")).to_contain_text("The city does not answer.")
    page.unroute("**/api/map")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".clock")).to_have_text("10:15:00")
    page.close()


def test_a_list_that_cannot_be_read_says_what_to_do_and_can_be_asked_again(
    browser: Browser, live: Served
) -> None:
    page = browser.new_page(base_url=live.url, locale="en-GB")
    page.route("**/api/sensors", lambda route: route.abort())
    page.goto("/#/sensors")
    expect(page.locator(".resource")).to_contain_text("See whether cityloop is still running")
    page.unroute("**/api/sensors")
    page.locator(".resource").get_by_role("button", name="Try again").click()
    expect(page.locator(".data tbody tr")).to_have_count(12)
    page.close()


def test_a_list_that_was_read_and_is_not_renewed_stays_and_says_how_old_it_is(
    browser: Browser, live: Served
) -> None:
    page = browser.new_page(base_url=live.url, locale="en-GB")
    page.clock.install()
    page.goto("/#/sensors")
    expect(page.locator(".data tbody tr")).to_have_count(12)
    page.route("**/api/sensors", lambda route: route.abort())
    page.clock.fast_forward(30_000)
    expect(page.locator(".resource")).to_contain_text(re.compile(r"Not renewed for \d+ s"))
    expect(page.locator(".data tbody tr")).to_have_count(12)
    page.close()
