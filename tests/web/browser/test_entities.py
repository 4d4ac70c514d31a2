"""The entity browser and the page of subscriptions, before a real broker."""

import json
import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from tests.web.browser.test_access import violations
from tests.web.conftest import Served
from tests.web.replay import ReplayCity

from cityloop.web.app import ASSETS

AIR = "urn:ngsi-ld:AirQualityObserved:roof-"
CLOSED = "http://127.0.0.1:9/closed"
"""Nobody listens at the port of `discard`."""
VIEWS = (
    "entities",
    f"entity/{AIR}0",
    "subscriptions?type=AirQualityObserved",
    "subscription/urn:ngsi-ld:Subscription:air",
)


def air(number: int) -> dict[str, object]:
    """A sensor on a roof; the higher its number, the farther east it stands."""
    observed = {"observedAt": "2018-04-16T02:14:00Z", "unitCode": "GQ"}
    return {
        "id": f"{AIR}{number}",
        "type": "AirQualityObserved",
        "NO2": {"type": "Property", "value": number, **observed},
        "refRoad": {"type": "Relationship", "object": "urn:ngsi-ld:Road:1"},
        "location": {
            "type": "GeoProperty",
            "value": {"type": "Point", "coordinates": [120.12 + number / 5000, 30.285]},
        },
    }


def no2(minute: int, value: float) -> dict[str, object]:
    at = f"2018-04-16T02:{minute:02}:00Z"
    return {"NO2": {"type": "Property", "value": value, "observedAt": at, "unitCode": "GQ"}}


SUBSCRIPTION = {
    "id": "urn:ngsi-ld:Subscription:air",
    "type": "Subscription",
    "subscriptionName": "Air department",
    "entities": [{"type": "AirQualityObserved"}],
    "q": "NO2>50",
    "notification": {"endpoint": {"uri": CLOSED}},
}


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A city with sixty sensors on roofs, two detectors and one subscription."""
    one = Served(ReplayCity(), ASSETS, entities=tmp_path_factory.mktemp("entities"))
    one.advance(300)
    detectors = [
        {
            "id": f"urn:ngsi-ld:LaneDetector:{n}",
            "type": "LaneDetector",
            "vehicleCount": {"value": n},
        }
        for n in range(2)
    ]
    with httpx.Client(base_url=f"{one.url}/ngsi-ld/v1", timeout=20) as client:
        rows = [*map(air, range(60)), *detectors]
        client.post("/entityOperations/create", json=rows).raise_for_status()
        client.post("/subscriptions", json=SUBSCRIPTION).raise_for_status()
        for minute, value in ((15, 40), (16, 45), (17, 77.5)):
            body = no2(minute, value)
            client.patch(f"/entities/{AIR}0/attrs", json=body).raise_for_status()
    yield one
    one.close()


@pytest.fixture
def desk(browser: Browser, city: Served) -> Iterator[Page]:
    """The page of an operator who has given a name."""
    page = browser.new_page(base_url=city.url, locale="en-GB")
    page.set_viewport_size({"width": 1280, "height": 900})
    page.add_init_script("localStorage.setItem('cityloop.person', 'Li Wei')")
    yield page
    page.close()


# looking for entities


def test_entities_are_counted_and_turned_page_by_page(desk: Page) -> None:
    desk.goto("/#/entities")
    expect(desk.locator(".tally")).to_have_text("1 – 50 of 62")
    desk.get_by_role("button", name="Next").click()
    expect(desk.locator(".tally")).to_have_text("51 – 62 of 62")
    expect(desk.locator(".data tbody tr")).to_have_count(12)
    expect(desk.get_by_role("button", name="Next")).to_be_disabled()


def test_entities_are_found_by_type_condition_and_id_and_the_address_keeps_the_search(
    desk: Page,
) -> None:
    desk.goto("/#/entities")
    desk.get_by_label("Type").fill("AirQualityObserved")
    desk.get_by_label("Condition (q)").fill("NO2>50")
    desk.get_by_label("Id holds").fill("roof-5")
    desk.get_by_role("button", name="Search").click()
    expect(desk.locator(".tally")).to_have_text("1 – 9 of 9")
    expect(desk.locator(".data tbody tr").first).to_contain_text("51 µg/m³")
    desk.locator(".data tbody a").first.click()
    expect(desk.get_by_role("heading", level=2)).to_have_text(f"{AIR}51")
    desk.go_back()
    expect(desk.get_by_label("Condition (q)")).to_have_value("NO2>50")
    expect(desk.locator(".tally")).to_have_text("1 – 9 of 9")


def test_an_area_is_drawn_on_the_map(desk: Page) -> None:
    desk.goto("/#/entities?type=AirQualityObserved")
    expect(desk.locator(".entity-mark")).to_have_count(50)
    desk.get_by_role("button", name="Draw on the map").click()
    box = desk.locator(".area-map .stage").bounding_box()
    third = desk.locator(".entity-mark").nth(2).bounding_box()
    assert box is not None
    assert third is not None
    desk.mouse.move(box["x"] + 2, box["y"] + 2)
    desk.mouse.down()
    desk.mouse.move(third["x"] + third["width"] / 2 + 1, box["y"] + box["height"] - 2)
    desk.mouse.up()
    expect(desk.locator(".tally")).to_have_text("1 – 3 of 3")
    expect(desk.get_by_label("Area")).to_have_value(re.compile(r"^1\d\d\.\d+, \d+\.\d+, 1\d\d"))


def test_what_the_map_of_the_city_shows_is_an_area_to_look_into(desk: Page) -> None:
    desk.goto("/")
    desk.get_by_role("button", name="Entities in this window").click()
    expect(desk.locator(".tally")).to_have_text("1 – 50 of 60")


def test_an_area_that_is_none_is_told_before_it_is_asked(desk: Page) -> None:
    desk.goto("/#/entities")
    desk.get_by_label("Area").fill("120.2, 30, 120.1, 31")
    desk.get_by_role("button", name="Search").click()
    message = "field => field.validationMessage"
    assert "west before east" in desk.get_by_label("Area").evaluate(message)


def test_a_refused_search_quotes_the_broker_in_the_language_of_the_page(
    browser: Browser, city: Served
) -> None:
    page = browser.new_page(base_url=city.url, locale="zh-CN")
    page.goto("/#/entities?q=NO2%3E%3E1")
    notice = page.locator("[data-resource=failed]")
    expect(notice).to_contain_text("填写的内容无效。")
    expect(notice).to_contain_text("代理的原话：“q is not valid")
    page.get_by_label("条件（q）").fill("NO2>1000")
    page.keyboard.press("Enter")
    expect(page.locator(".data-frame .empty")).to_have_text("没有符合条件的实体。")
    page.close()


def test_a_city_without_a_broker_says_so(browser: Browser) -> None:
    served = Served(ReplayCity(), ASSETS)
    page = browser.new_page(base_url=served.url, locale="en-GB")
    page.goto("/#/entities")
    expect(page.locator("[data-resource=failed]")).to_contain_text("This city serves no entities.")
    page.close()
    served.close()


# one entity


def test_an_entity_shows_values_with_units_its_past_and_who_watches_it(desk: Page) -> None:
    desk.goto(f"/#/entity/{AIR}0")
    row = desk.locator(".data").first.locator("tbody tr").filter(has_text="NO2")
    expect(row).to_contain_text("77.5 µg/m³")
    expect(row).to_contain_text("10:17:00")
    past = desk.get_by_role("region", name="Over time")
    expect(past).to_contain_text("4 values")
    expect(past).to_contain_text("highest 77.5 µg/m³")
    expect(past.get_by_role("img", name="NO2 over time")).to_be_visible()
    watching = desk.get_by_role("region", name="Subscriptions that watch it")
    expect(watching).to_contain_text("Air department")
    expect(desk.get_by_role("region", name="Who may see it")).to_contain_text("development mode")


def test_a_relationship_is_a_link_and_what_it_leads_to_may_not_exist(desk: Page) -> None:
    desk.goto(f"/#/entity/{AIR}1")
    desk.get_by_role("link", name="urn:ngsi-ld:Road:1").click()
    expect(desk.locator(".page > [data-resource=failed]")).to_contain_text(
        "The broker said: “entity urn:ngsi-ld:Road:1 does not exist”"
    )


def test_the_loops_that_watch_a_type_are_told(desk: Page) -> None:
    desk.goto("/#/entity/urn:ngsi-ld:LaneDetector:1")
    loops = desk.get_by_role("region", name="Loops that watch it")
    expect(loops).to_contain_text("mobility/signal_timing")
    expect(loops).to_contain_text("watches vehicleCount, queueLength")


def test_an_entity_is_copied_as_json(browser: Browser, city: Served) -> None:
    context = browser.new_context(base_url=city.url, locale="en-GB")
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"/#/entity/{AIR}2")
    page.get_by_text("As JSON").click()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = json.loads(page.evaluate("navigator.clipboard.readText()"))
    assert copied["id"] == f"{AIR}2"
    context.close()


# subscriptions


def test_a_subscription_that_fails_stands_out_with_its_error(desk: Page) -> None:
    desk.goto("/#/subscriptions")
    row = desk.get_by_role("row").filter(has_text="Air department")
    expect(row).to_contain_text("failing")
    expect(row).to_contain_text("type AirQualityObserved · where NO2>50")
    expect(row.locator("[data-column=error]")).not_to_be_empty()


def test_why_something_was_not_sent_is_answered_part_by_part(desk: Page) -> None:
    desk.goto(f"/#/entity/{AIR}3")
    desk.get_by_role("link", name="Air department").click()
    part = desk.get_by_role("region", name="Why was this not sent?")
    expect(part.get_by_label("Entity")).to_have_value(f"{AIR}3")
    expect(part.locator(".why .verdict")).to_have_text("The entity is not what it asks for.")
    failed = part.get_by_role("row").filter(has_text="condition (q)")
    expect(failed).to_contain_text("NO2>50")
    expect(failed).to_contain_text("NO2 = 3")
    part.get_by_label("Entity").fill(f"{AIR}99")
    part.get_by_role("button", name="Ask").click()
    expect(part.locator(".why .verdict")).to_have_text("There is no such entity.")


def test_a_subscription_is_made_paused_changed_and_deleted_by_the_person_on_duty(
    desk: Page, city: Served
) -> None:
    desk.goto("/#/subscriptions")
    desk.get_by_role("button", name="New subscription").click()
    form = desk.get_by_role("form", name="A new subscription")
    form.get_by_label("Name", exact=True).fill("Water")
    form.get_by_label("About entities of type").fill("WaterLevel")
    form.get_by_label("Tell this address").fill(CLOSED)
    form.get_by_label("Condition (q)").fill("level>>1")
    form.get_by_role("button", name="Save").click()
    expect(form.get_by_role("alert")).to_contain_text("The broker said:")
    form.get_by_label("Condition (q)").fill("level>1")
    form.get_by_role("button", name="Save").click()
    desk.get_by_role("link", name="Water").click()
    expect(desk.get_by_role("heading", level=2, name="Water")).to_be_visible()
    desk.get_by_role("button", name="Pause", exact=True).last.click()
    expect(desk.locator(".facts").first).to_contain_text("paused")
    desk.get_by_role("button", name="Change …").click()
    desk.get_by_label("Condition (q)").fill("level>2")
    desk.get_by_role("button", name="Save").click()
    expect(desk.locator(".facts").first).to_contain_text("where level>2")
    desk.get_by_role("button", name="Delete …").click()
    desk.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(desk.locator(".tally")).to_have_text("1 – 1 of 1")
    notes = [command for command in city.city.commands if "Li Wei" in command]
    assert [
        word for note in notes for word in re.findall(r"made|paused|changed|deleted", str(note))
    ] == [
        "made",
        "paused",
        "changed",
        "deleted",
    ]


# for everybody


@pytest.mark.parametrize(("scheme", "locale"), [("light", "en-GB"), ("dark", "zh-CN")])
def test_pages_that_are_filled_have_no_serious_fault_and_fit_a_telephone(
    browser: Browser, city: Served, scheme: str, locale: str
) -> None:
    page = browser.new_page(
        base_url=city.url,
        locale=locale,
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": 1280, "height": 800},
    )
    found = {}
    for view in VIEWS:
        page.set_viewport_size({"width": 1280, "height": 800})
        page.goto(f"/#/{view}")
        expect(page.locator("main h2:visible").first).to_be_visible()
        expect(page.locator("[data-resource=reading]:visible")).to_have_count(0)
        found[view] = violations(page)
        page.set_viewport_size({"width": 320, "height": 800})
        page.wait_for_function("w => document.documentElement.scrollWidth === w", arg=320)
    page.close()
    assert {view: one for view, one in found.items() if one} == {}
