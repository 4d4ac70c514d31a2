"""The operations centre without a mouse."""

import pytest
from playwright.sync_api import Page, expect
from tests.web.browser.conftest import arrived
from tests.web.conftest import Served


@pytest.fixture(autouse=True)
def _ready(page: Page) -> None:
    arrived(page)


def test_the_first_stop_skips_to_the_page(page: Page) -> None:
    page.locator("body").press("Tab")
    expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_g_and_a_letter_go_to_a_page(page: Page) -> None:
    for keys, path in (("ga", "alarms"), ("gs", "shift"), ("gc", "")):
        for key in keys:
            page.keyboard.press(key)
        expect(page.locator("nav a[aria-current=page]")).to_have_attribute("href", f"#/{path}")


def test_a_slash_leads_to_the_filter_and_letters_in_it_are_letters(page: Page) -> None:
    page.goto("/#/decisions")
    expect(page.locator(".data tbody tr").first).to_be_visible()
    page.keyboard.press("/")
    expect(page.get_by_label("Filter")).to_be_focused()
    page.keyboard.type("ga?")
    expect(page.get_by_label("Filter")).to_have_value("ga?")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_question_mark_lists_the_shortcuts_and_they_can_be_switched_off(page: Page) -> None:
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keyboard")
    expect(dialog).to_contain_text("acknowledge the focused alarm")
    dialog.get_by_label("Single keys act as shortcuts").uncheck()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.keyboard.press("?")
    expect(dialog).to_have_count(0)
    page.get_by_role("button", name="Keyboard").press("Enter")
    expect(dialog).to_be_visible()


def test_a_mode_is_switched_by_keyboard_alone(page: Page, live: Served) -> None:
    for key in "gl":
        page.keyboard.press(key)
    shadow = page.get_by_role("group", name="Mode of group east").get_by_text("Shadow")
    expect(shadow).to_be_visible()
    for _ in range(30):
        if shadow.evaluate("one => one === document.activeElement"):
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(shadow).to_have_attribute("aria-pressed", "true")
    assert live.city.modes["east"] == "shadow"


def test_escape_closes_the_panel_and_leaves_the_city(page: Page) -> None:
    page.goto("/#/junction/intersection_2_2")
    expect(page.locator(".panel-place h2")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".panel-place")).to_be_hidden()
    expect(page.locator("nav a[aria-current=page]")).to_have_attribute("href", "#/")
