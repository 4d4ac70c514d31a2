"""The page of a city without a twin: what speaks for it is shown, what it lacks is not offered."""

from collections.abc import Iterator

import msgspec
import pytest
from playwright.sync_api import Page, expect
from tests.web.browser.conftest import arrived
from tests.web.conftest import Served
from tests.web.replay import ReplayCity

from cityloop.city.surface import MapData, MapDevice
from cityloop.web.app import ASSETS

NORTH = "urn:ngsi-ld:AirQualityObserved:north"


class RealCity(ReplayCity):
    """A city of two devices and no streets."""

    def map(self) -> MapData:
        devices = [
            MapDevice(NORTH, "AirQualityObserved", "City", 0.0, 400.0),
            MapDevice("urn:ngsi-ld:Streetlight:1", "Streetlight", "", 500.0, 0.0),
        ]
        nothing = {"junctions": [], "roads": [], "detectors": [], "loops": []}
        return msgspec.structs.replace(super().map(), **nothing, devices=devices, twin=False)


@pytest.fixture
def live() -> Iterator[Served]:
    served = Served(RealCity(), ASSETS)
    served.advance(5)
    yield served
    served.close()


def test_its_devices_make_the_picture_and_nobody_drives_its_clock(page: Page) -> None:
    arrived(page)
    expect(page.locator(".devices .device:visible .label")).to_have_count(2)
    expect(page.get_by_text("Without a twin there is no baseline to compare with")).to_be_visible()
    expect(page.locator(".told tbody tr").first).to_be_visible()
    expect(page.locator(".drive")).to_have_count(0)
    expect(page.locator(".pair")).to_have_count(0)


def test_pages_that_want_a_twin_are_not_offered(page: Page) -> None:
    arrived(page)
    names = page.locator("nav.pages a").all_inner_texts()
    assert {"Sensors", "Sources", "Decisions"} <= set(names)
    assert not {"Measures", "Plans"} & set(names)
    expect(page.get_by_text("No loop runs in this city")).to_be_visible()
