"""The pages of the operations centre, each as a person uses it."""

import csv
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.web.conftest import Served
from tests.web.replay import LOOP

PAGES = {
    "alarms": "Alarms",
    "decisions": "Decisions",
    "measures": "Measures",
    "shift": "Shift log",
    "sensors": "Sensors",
    "entities": "Entities",
    "loops": "Loops",
    "sources": "Sources",
    "subscriptions": "Subscriptions",
    "plans": "Plans and calendar",
    "retention": "Retention",
    "exports": "Exports",
}


def open_page(page: Page, name: str) -> None:
    page.goto(f"/#/{name}")
    expect(page.locator("main h2:visible").first).to_be_visible()


def sign_in(page: Page, name: str = "Li Wei") -> None:
    """Give the name of the person on duty in the dialog that asks for it."""
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Take over").click()


def test_a_page_has_an_address_a_title_and_its_place_in_the_navigation(page: Page) -> None:
    for name, title in PAGES.items():
        page.locator(f"nav a[href='#/{name}']").click()
        expect(page.get_by_role("heading", level=2, name=title)).to_be_focused()
        expect(page.locator("nav a[aria-current=page]")).to_have_attribute("href", f"#/{name}")
    page.reload()
    expect(page.get_by_role("heading", level=2, name=PAGES["exports"])).to_be_visible()


def test_an_address_without_a_page_says_so_and_leads_back(page: Page) -> None:
    page.goto("/#/nowhere")
    expect(page.locator("main")).to_contain_text("There is no such page.")
    page.get_by_role("link", name="To the city").click()
    expect(page.locator(".map-place")).to_be_visible()


def test_a_junction_has_an_address(page: Page) -> None:
    page.goto("/#/junction/intersection_2_3")
    expect(page.locator(".panel-place h2")).to_have_text("intersection 2 3")


# alarms


def test_the_alarms_that_stand_are_counted_beside_their_page(page: Page) -> None:
    expect(page.locator(".badge")).to_have_text("3")
    expect(page.locator(".needs [data-alarm]")).to_have_count(3)


def test_an_alarm_is_acknowledged_in_the_name_of_the_person_on_duty(
    page: Page, live: Served
) -> None:
    open_page(page, "alarms")
    row = page.get_by_role("row").filter(has_text="The process hub is down")
    row.get_by_role("button", name="Acknowledge").click()
    sign_in(page)
    expect(row).to_contain_text("acknowledged")
    expect(row).to_contain_text("by Li Wei")
    expect(row.get_by_role("button", name="Acknowledge")).to_have_count(0)
    expect(page.locator(".badge")).to_have_text("2")


def test_an_alarm_is_shelved_with_a_reason_and_brought_back(page: Page) -> None:
    open_page(page, "alarms")
    row = page.get_by_role("row").filter(has_text="A queue fills its road")
    row.get_by_role("button", name="Shelve").click()
    page.get_by_label("Reason").fill("Road works until noon")
    page.get_by_role("dialog").get_by_role("button", name="Shelve").click()
    sign_in(page)
    expect(row).to_have_count(0)
    page.get_by_role("button", name="Shelved 1").click()
    expect(row).to_contain_text("Road works until noon")
    row.get_by_role("button", name="Bring back").click()
    expect(row).to_have_count(0)
    expect(page.get_by_role("button", name="Open 3")).to_be_visible()


def test_shelving_without_a_reason_is_not_taken(page: Page, live: Served) -> None:
    open_page(page, "alarms")
    page.get_by_role("button", name="Shelve …").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Shelve").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert live.city.commands == []


def test_an_alarm_is_escalated_to_somebody(page: Page) -> None:
    open_page(page, "alarms")
    row = page.get_by_role("row").filter(has_text="3 sensors are silent")
    row.get_by_role("button", name="Escalate").click()
    page.get_by_label("To whom").fill("Maintenance")
    page.get_by_role("dialog").get_by_role("button", name="Escalate").click()
    sign_in(page)
    expect(row).to_contain_text("escalated to Maintenance")


def test_alarms_are_handled_by_single_keys(page: Page) -> None:
    open_page(page, "alarms")
    first = page.locator(".data tbody tr").first
    expect(first).to_be_visible()
    first.focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator(".data tbody tr").nth(1)).to_be_focused()
    page.keyboard.press("a")
    sign_in(page)
    expect(page.locator(".data tbody")).to_contain_text("by Li Wei")
    expect(page.get_by_role("dialog")).to_have_count(0)


# decisions


def test_decisions_are_filtered_by_junction_outcome_and_word(page: Page) -> None:
    open_page(page, "decisions")
    rows = page.locator(".data tbody tr")
    expect(rows.first).to_be_visible()
    page.locator("select[name=junction]").select_option("intersection_2_2")
    expect(rows.first.locator("[data-column=junction]")).to_have_text("2 2")
    page.locator("select[name=fate]").select_option("refused")
    expect(page.locator(".data tbody tr:not([data-mark=refused])")).to_have_count(0)
    page.get_by_label("Filter").fill("no such word")
    expect(page.locator("main")).to_contain_text("Nothing matches the filter.")


def test_a_decision_leads_to_its_junction(page: Page) -> None:
    open_page(page, "decisions")
    row = page.locator(".data tbody tr").first
    name = row.locator("[data-column=junction]").inner_text()
    row.locator("[data-act=place]").click()
    expect(page.locator(".panel-place h2")).to_have_text(f"intersection {name}")


# the shift log


def test_a_note_is_written_into_the_shift_log(page: Page) -> None:
    open_page(page, "shift")
    page.get_by_label("Note", exact=True).fill("Detector 7 is being changed")
    page.get_by_role("button", name="Add the note").click()
    sign_in(page, "Zhang San")
    row = page.get_by_role("row").filter(has_text="Detector 7 is being changed")
    expect(row).to_contain_text("Zhang San")
    expect(page.get_by_label("Note", exact=True)).to_have_value("")


def test_a_note_that_was_not_taken_stays_to_be_sent_again(browser: Browser, live: Served) -> None:
    page = browser.new_page(base_url=live.url, locale="en-GB")
    open_page(page, "shift")
    live.city.hub_alive = False
    page.get_by_label("Note", exact=True).fill("Not lost")
    page.get_by_role("button", name="Add the note").click()
    sign_in(page)
    expect(page.locator(".notice")).to_contain_text("The hub is away.")
    expect(page.get_by_label("Note", exact=True)).to_have_value("Not lost")
    page.close()


# sensors


def test_the_sensors_that_fail_stand_first(page: Page) -> None:
    open_page(page, "sensors")
    states = page.locator(".data tbody [data-column=state]")
    expect(states.first).to_have_text("silent")
    expect(states.last).to_have_text("ok")
    page.get_by_label("State").select_option("absurd")
    expect(page.locator(".data tbody tr")).to_have_count(1)
    expect(page.locator(".data tbody [data-column=rejected]")).to_have_text("17")


# loops


def test_a_mode_is_switched_on_the_page_of_loops(page: Page, live: Served) -> None:
    open_page(page, "loops")
    page.get_by_role("group", name="Mode of group east").get_by_text("Observe").click()
    expect(
        page.get_by_role("group", name="Mode of group east").get_by_text("Observe")
    ).to_have_attribute("aria-pressed", "true")
    assert live.city.modes["east"] == "observe"


def test_another_version_of_a_loop_wants_a_reason_and_a_name(page: Page, live: Served) -> None:
    open_page(page, "loops")
    page.get_by_role("button", name="Change version").click()
    page.get_by_label("Version to run").select_option("1")
    page.get_by_label("Reason").fill("Longer queues since Monday")
    page.get_by_role("button", name="Run it").click()
    sign_in(page)
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator("[aria-busy]")).to_have_count(0)
    assert [command[0] for command in live.city.commands] == ["set_version"]
    assert {LOOP, "1", "Longer queues since Monday", "Li Wei"} <= set(live.city.commands[0])


# sources


def test_a_source_tells_why_it_fails_and_what_was_turned_away(page: Page) -> None:
    open_page(page, "sources")
    expect(page.get_by_role("row").filter(has_text="weather")).to_contain_text("answered 503")
    row = page.get_by_role("row").filter(has_text="mqtt")
    row.get_by_role("button", name="Show").click()
    rejects = page.get_by_role("region", name="Rejected readings")
    expect(rejects.locator(".data tbody tr")).to_have_count(3)
    expect(rejects).to_contain_text("4000 is above 1000")


def test_what_was_turned_away_is_tried_again_after_a_mend(page: Page, live: Served) -> None:
    open_page(page, "sources")
    page.get_by_role("button", name="Show").click()
    page.get_by_role("button", name="Try again …").click()
    page.get_by_role("dialog").get_by_role("button", name="Try again").click()
    sign_in(page)
    expect(page.locator("[aria-busy]")).to_have_count(0)
    assert live.city.commands == [("try_again", "air", "", "Li Wei")]


def test_how_long_a_type_is_kept_is_changed(page: Page, live: Served) -> None:
    open_page(page, "retention")
    row = page.get_by_role("row").filter(has_text="LaneDetector")
    expect(row).to_contain_text("14 days")
    row.get_by_role("button", name="Change").click()
    page.get_by_label("Erased after, days").fill("30")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    sign_in(page)
    expect(page.locator("[aria-busy]")).to_have_count(0)
    verb, rows, by = live.city.commands[0]
    assert (verb, by) == ("set_retention", "Li Wei")
    assert rows == [{"type": "LaneDetector", "raw": "P14D", "every_s": 60.0, "kept": "P30D"}]


# plans and calendar


def test_a_green_of_a_plan_is_changed(page: Page, live: Served) -> None:
    open_page(page, "plans")
    page.get_by_role("button", name="peak").click()
    page.locator("[data-act=edit]").first.click()
    page.get_by_label("Green of phase 1").fill("25")
    page.get_by_role("button", name="Save").click()
    sign_in(page)
    expect(page.locator("[aria-busy]")).to_have_count(0)
    verb, plans, by = live.city.commands[0]
    assert (verb, by) == ("set_plans", "Li Wei")
    assert [green["green_s"] for green in plans[0]["junctions"][0]["phases"]] == [30, 25]  # type: ignore[index]


def test_a_line_of_the_calendar_calls_a_plan_on_workdays(page: Page, live: Served) -> None:
    open_page(page, "plans")
    page.get_by_role("button", name="Add a line").click()
    dialog = page.get_by_role("dialog")
    for day in ("Sat", "Sun"):
        dialog.get_by_label(day).uncheck()
    dialog.get_by_label("From").fill("07:00")
    dialog.get_by_label("Until").fill("09:30")
    dialog.get_by_role("button", name="Save").click()
    sign_in(page)
    expect(page.locator("[aria-busy]")).to_have_count(0)
    verb, calendar, _ = live.city.commands[0]
    assert verb == "set_calendar"
    (entry,) = calendar["entries"]  # type: ignore[index,call-overload]
    assert entry["days"] == ["mon", "tue", "wed", "thu", "fri"]
    assert (entry["plan"], entry["from"], entry["until"]) == ("peak", "07:00", "09:30")


# taking away


def test_every_table_is_taken_away_as_csv_and_as_a_workbook(page: Page) -> None:
    open_page(page, "exports")
    for kind, begin in (("CSV", b""), ("XLSX", b"PK")):
        link = page.get_by_role("link", name=f"Download {kind}: decisions")
        with page.expect_download() as download:
            link.click()
        content = Path(download.value.path()).read_bytes()
        assert content.startswith(begin)
        assert len(content) > 1000


@pytest.mark.parametrize("kind", ["PNG", "CSV"])
def test_a_chart_is_taken_away(page: Page, kind: str) -> None:
    open_page(page, "measures")
    card = page.get_by_role("region", name="Mean travel time")
    with page.expect_download() as download:
        card.get_by_role("button", name=kind).click()
    content = Path(download.value.path()).read_bytes()
    if kind == "PNG":
        assert content.startswith(b"\x89PNG")
        return
    rows = list(csv.reader(content.decode("utf-8-sig").splitlines()))
    assert rows[0] == ["city_time", "att_loop_s", "att_baseline_s"]
    assert len(rows) > 10


def test_measures_move_on_their_page_too(page: Page, live: Served) -> None:
    open_page(page, "measures")
    cell = page.locator(".page [data-measure=att_loop_s]")
    before = cell.inner_text()
    live.advance(60)
    expect(cell).not_to_have_text(before)


# the frame


def test_day_and_night_are_chosen_and_remembered(page: Page) -> None:
    page.get_by_role("button", name="Switch to night colours").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.get_by_role("button", name="Switch to day colours").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")


def test_the_clock_is_the_citys_whatever_zone_the_reader_is_in(page: Page) -> None:
    expect(page.locator(".clock")).to_have_text("10:15:00")
    expect(page.locator(".zone")).to_have_text("GMT+8")


def test_no_page_is_wider_than_the_screen(page: Page) -> None:
    for name in PAGES:
        open_page(page, name)
        expect(page.locator("[data-resource=reading]:visible")).to_have_count(0)
        for width in (320, 768, 1280, 3840):
            page.set_viewport_size({"width": width, "height": 800})
            # A chart takes the new width with the next frame.
            page.wait_for_function("w => document.documentElement.scrollWidth === w", arg=width)
