"""The live page as a person meets it."""

import re

import pytest
from playwright.sync_api import Page, expect
from tests.web.browser.conftest import arrived
from tests.web.conftest import Served
from tests.web.replay import LOOP


def test_the_map_draws_every_junction_with_what_it_shows(page: Page) -> None:
    expect(page.locator(".spot")).to_have_count(16)
    expect(page.locator(".spot").first).to_have_attribute(
        "aria-label", re.compile(r"^intersection 1 1: .+ for \d+ s.*; Queued \d+")
    )


def test_loop_and_baseline_stand_side_by_side_with_their_difference(page: Page) -> None:
    arrived(page)
    loop, baseline = (
        float(page.locator(f"[data-measure={name}]").inner_text())
        for name in ("att_loop_s", "att_baseline_s")
    )
    difference = float(page.locator(".figure").inner_text().replace("\u2212", "-"))
    assert difference == pytest.approx(loop - baseline, abs=0.11)
    expect(page.locator(".interval")).to_contain_text("95 % interval")


def test_figures_move_as_the_city_does(page: Page, live: Served) -> None:
    expect(page.locator(".clock")).to_have_text("10:15:00")
    before = page.locator("[data-measure=att_loop_s]").inner_text()
    live.advance(60)
    expect(page.locator(".clock")).to_have_text("10:16:00")
    expect(page.locator("[data-measure=att_loop_s]")).not_to_have_text(before)


def test_a_decision_says_why(page: Page) -> None:
    row = page.locator(".feed .decisions li", has_text="passed").first
    expect(row.locator(".reason")).to_have_text(re.compile(r"Phase \d lets \d+ waiting vehicles"))


def test_the_feed_can_show_only_what_the_guard_refused(page: Page) -> None:
    page.get_by_role("button", name="Refused", exact=True).click()
    expect(page.locator(".feed li .verdict", has_text="Refused").first).to_be_visible()
    expect(page.locator(".feed li .verdict", has_text="passed")).to_have_count(0)


def test_the_feed_holds_still_under_the_pointer(page: Page, live: Served) -> None:
    first = page.locator(".feed .decisions li").first
    expect(first).to_be_visible()
    # In its middle, where a notice that moves the page down does not take it from the pointer.
    page.locator(".feed .scroller").hover()
    held = first.get_attribute("data-decision")
    live.advance(60)
    expect(page.get_by_role("button", name="newer: show")).to_be_visible()
    assert first.get_attribute("data-decision") == held


def test_a_mode_is_switched_by_a_click(page: Page, live: Served) -> None:
    shadow = page.get_by_role("group", name="Mode of group east").get_by_text("Shadow")
    shadow.click()
    expect(shadow).to_have_attribute("aria-pressed", "true")
    assert live.city.modes["east"] == "shadow"


def test_letting_a_loop_act_asks_for_its_shadow_result(page: Page, live: Served) -> None:
    page.get_by_role("group", name="Mode of group east").get_by_text("Act").click()
    page.get_by_label("Shadow result").fill("2 h, 12 s shorter")
    page.get_by_role("dialog").get_by_role("button", name="Act").click()
    expect(page.locator("[data-group=east] [data-mode=act]")).to_have_attribute(
        "aria-pressed", "true"
    )
    assert live.city.commands == [("set_mode", LOOP, "east", "act", "2 h, 12 s shorter")]


def test_advice_is_confirmed_by_a_click(page: Page, live: Served) -> None:
    row = page.locator(".advice li").first
    decision = row.get_attribute("data-decision")
    row.get_by_role("button", name="Confirm").click()
    expect(page.locator(f".advice [data-decision='{decision}']")).to_have_count(0)
    assert live.city.commands == [("advise", decision, True)]


def test_a_decision_keeps_its_reason_when_something_becomes_of_it(page: Page) -> None:
    row = page.locator(".feed .decisions li", has_text="overtaken").first
    expect(row.locator(".reason")).to_have_text(re.compile(r"Phase \d lets \d+ waiting vehicles"))


def test_a_junction_is_taken_by_keyboard_alone(page: Page, live: Served) -> None:
    page.locator(".spot").first.focus()
    for key in ("ArrowUp", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    panel = page.locator(".junction")
    expect(panel.get_by_role("heading", level=2)).to_have_text("intersection 2 2")
    panel.get_by_role("button", name="Hold").press("Enter")
    page.get_by_label("Minutes").fill("5")
    page.keyboard.press("Enter")
    expect(panel).to_contain_text("In charge: operator")
    assert live.city.commands[0][:3] == ("operate", "intersection_2_2", "hold")
    panel.get_by_role("button", name="Release").press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Release").press("Enter")
    expect(panel).to_contain_text("In charge: centre")


def test_saying_no_leaves_a_junction_as_it_is(page: Page, live: Served) -> None:
    page.locator(".spot").first.click()
    page.locator(".junction").get_by_role("button", name="Flash").click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert live.city.commands == []


def test_the_speed_is_set_and_a_paused_city_is_stepped(page: Page, live: Served) -> None:
    page.get_by_role("button", name="Max").click()
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Step 1 s").click()
    expect(page.locator(".clock")).to_have_text("10:15:01")
    expect(page.locator(".fresh")).to_have_text("Paused")
    asked = [("speed", 0.0), ("pause", None), ("step", None)]
    assert live.city.commands == [("drive", *command) for command in asked]


def test_the_language_is_switched_and_remembered(page: Page) -> None:
    page.get_by_role("button", name="切换到中文").click()
    expect(page.locator(".feed h2")).to_have_text("决策")
    page.reload()
    expect(page.locator(".feed h2")).to_have_text("决策")
    assert page.locator("html").get_attribute("lang") == "zh-CN"


@pytest.mark.parametrize("width", [320, 768, 1280, 1920])
def test_nothing_is_wider_than_the_screen(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.locator(".spot").nth(5).click()
    expect(page.locator(".junction")).to_be_visible()
    page.wait_for_function("w => document.documentElement.scrollWidth === w", arg=width)
