"""Takes the pictures of the operator's guide from a real city, so that they never age.

``python -m scripts.screenshots`` runs Hangzhou with a few sensors that fail on purpose, walks the
operations centre in Chromium in English and in Chinese, and writes docs/assets/guide/{en,zh}/.
It takes two minutes and needs the built page and Chromium.
"""

import shutil
import signal
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, Route, expect, sync_playwright
from tests.faults.running import HANGZHOU, RunningCity, running, until

PICTURES = Path(__file__).resolve().parent.parent / "docs" / "assets" / "guide"
LANGUAGES = {"en": "en-GB", "zh": "zh-CN"}
PORT = 8765
BEFORE_FIRST_SECOND = "0.02"
"""City seconds a second: slow enough for a picture of a city of which nothing has come yet."""
SHOWN_DECISIONS = 1_200
FAULTS = """device,fault,from_s,until_s
LaneDetector:E1-J41_0,silent,300,7200
LaneDetector:E1-J41_1,silent,300,7200
LaneDetector:E2-J42_0,absurd,300,7200
"""
PAGES = [
    "alarms",
    "decisions",
    "measures",
    "shift",
    "sensors",
    "loops",
    "sources",
    "subscriptions",
    "plans",
    "retention",
    "exports",
]
DETECTOR = "urn:ngsi-ld:LaneDetector:E2-J42_1"
SUBSCRIPTION = {
    "id": "urn:ngsi-ld:Subscription:queues",
    "type": "Subscription",
    "subscriptionName": "Queues for the fire brigade",
    "entities": [{"type": "LaneDetector"}],
    "q": "queueLength>3",
    "throttling": 10,
    "notification": {"format": "keyValues", "endpoint": {"uri": "http://127.0.0.1:9/queues"}},
}
"""Nobody listens at the port of `discard`: a subscriber that is down."""
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


def prepare(folder: Path) -> Path:
    """A copy of the example with sensors that fall silent or send nonsense."""
    city = folder / "hangzhou"
    shutil.copytree(HANGZHOU, city)
    settings = city / "city.toml"
    text = settings.read_text().replace("seed = 1\n", 'seed = 1\nfaults = "faults.csv"\n')
    settings.write_text(text)
    (city / "faults.csv").write_text(FAULTS)
    return city


class Camera:
    """A browser page in one language, and where its pictures go."""

    def __init__(
        self, browser: Browser, language: str, width: int = 1280, *, dark: bool = False
    ) -> None:
        self._folder = PICTURES / language
        self._folder.mkdir(parents=True, exist_ok=True)
        self.page: Page = browser.new_page(
            base_url=f"http://127.0.0.1:{PORT}",
            locale=LANGUAGES[language],
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            viewport={"width": width, "height": 780},
        )
        self.page.add_init_script("localStorage.setItem('cityloop.person', 'Li Wei')")

    def look(self, address: str, ready: str = "main h2:visible") -> None:
        """Open an address and wait until it is drawn."""
        self.page.goto(f"/#/{address}")
        expect(self.page.locator(ready).first).to_be_visible(timeout=30_000)
        expect(self.page.locator("[data-resource=reading]:visible")).to_have_count(0)
        self.page.wait_for_timeout(1500)  # software WebGL draws a few frames a second

    def take(self, name: str) -> None:
        """Write the picture."""
        self.page.screenshot(path=self._folder / f"{name}.png")
        print(f"docs/assets/guide/{self._folder.name}/{name}.png", flush=True)


def picture_beginning(browser: Browser, language: str) -> None:
    """Before the first answer, and before the first second of the run."""
    camera, held = Camera(browser, language), list[Route]()

    def hold(route: Route) -> None:
        held.append(route)

    camera.page.route("**/api/map", hold)
    camera.page.goto("/")
    expect(camera.page.get_by_role("status")).to_be_visible()
    camera.take("state-loading")
    held[0].continue_()
    expect(camera.page.locator(".banner")).to_be_visible(timeout=30_000)
    camera.page.wait_for_timeout(1500)
    camera.take("state-nothing-yet")
    camera.page.close()


def picture_pages(browser: Browser, language: str) -> None:
    """Every page by day; the first by night and on a telephone, too."""
    camera = Camera(browser, language)
    camera.look("", "[data-alarm]")
    camera.take("city")
    camera.look("junction/J22", ".panel-place h2")
    camera.take("junction")
    for name in PAGES:
        camera.look(name)
        camera.take(name)
    camera.look("entities?type=LaneDetector&q=queueLength%3E1")
    camera.take("entities")
    camera.look(f"entity/{DETECTOR}", ".entity canvas")
    camera.take("entity")
    camera.look(f"subscription/{SUBSCRIPTION['id']}")
    camera.page.locator(".page input").first.fill(DETECTOR)
    camera.page.locator(".page form button").first.click()
    expect(camera.page.locator(".why .verdict")).not_to_be_empty()
    camera.take("subscription")
    camera.look("alarms", "[data-act=shelve]")
    camera.page.locator("[data-act=shelve]").first.click()
    camera.take("shelve")
    camera.page.close()
    for name, one in (
        ("night", Camera(browser, language, dark=True)),
        ("phone", Camera(browser, language, 320)),
    ):
        one.look("", "[data-alarm]")
        one.take(name)
        one.page.close()


def picture_refusal(browser: Browser, language: str) -> None:
    """A mode without the result that would justify it."""
    camera = Camera(browser, language)
    camera.look("loops", "[data-loop]")
    camera.page.locator("[data-key=east] [data-mode=observe]").click()
    expect(camera.page.locator("[data-key=east] [data-mode=observe]")).to_have_attribute(
        "aria-pressed", "true"
    )
    camera.page.evaluate("document.querySelector('[data-key=east] [data-mode=act]').click()")
    field = camera.page.locator("dialog input")
    field.evaluate("one => { one.required = false; }")  # the city's own refusal is what is shown
    camera.page.locator("dialog button[type=submit]").click()
    expect(camera.page.locator(".notice")).to_be_visible()
    camera.take("state-refused")
    camera.page.close()


def picture_failures(browser: Browser, city: RunningCity) -> None:
    """Old news while the hub stands still, a list that fails, and no connection at all."""
    cameras = [Camera(browser, language) for language in LANGUAGES]
    for camera in cameras:
        camera.look("", ".spot")
    city.kill("hub", signal.SIGSTOP)
    for camera in cameras:
        expect(camera.page.locator(".banner")).to_be_visible(timeout=30_000)
        camera.take("state-stale")
    city.kill("hub", signal.SIGCONT)
    for camera in cameras:
        camera.page.route("**/api/sensors", lambda route: route.abort())
        camera.page.goto("/#/sensors")
        expect(camera.page.locator("[data-resource=failed]")).to_be_visible()
        camera.take("state-failed")
        camera.look("", ".spot")
    city.stop()
    for camera in cameras:
        expect(camera.page.locator(".banner")).to_be_visible(timeout=30_000)
        camera.page.wait_for_timeout(4000)
        camera.take("state-disconnected")


def act_as_people_do(city: RunningCity) -> None:
    """Something for the shift log and the list of alarms to show."""
    note = {"by": "Li Wei", "kind": "handover", "text": "Quiet night. Works at J41 until noon."}
    city.post("/api/shift-log", note).raise_for_status()
    alarms = until("alarms", lambda: city.get("/api/alarms") or None)
    body = {"by": "Li Wei", "note": "Maintenance is on its way"}
    city.post(f"/api/alarms/{alarms[0]['id']}/acknowledge", body).raise_for_status()
    city.post("/ngsi-ld/v1/subscriptions", SUBSCRIPTION).raise_for_status()


def main() -> None:
    """All pictures, of one run of one city."""
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        executable = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        folder = Path(name)
        speed = ("--speed", BEFORE_FIRST_SECOND)
        with running(folder / "data", PORT, *speed, city=prepare(folder)) as city:
            until("an answer", lambda: city.get("/api/map"))
            for language in LANGUAGES:
                picture_beginning(browser, language)
            city.post("/api/drive", {"action": "speed", "speed": 0}).raise_for_status()
            city.wait_decisions(SHOWN_DECISIONS)
            city.post("/api/drive", {"action": "speed", "speed": 5}).raise_for_status()
            act_as_people_do(city)
            for language in LANGUAGES:
                picture_pages(browser, language)
                picture_refusal(browser, language)
            picture_failures(browser, city)
        browser.close()


if __name__ == "__main__":
    main()
