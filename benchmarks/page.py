"""The operations centre's page in a real Chromium: script a frame, first paint, memory, bundle.

``python -m benchmarks.page [--events N]`` writes ``benchmarks/results/page.json``. The city is the
tests' replayed one with 600 vehicles that move; the figures come from the browser's own trace and
heap. Graphics run in software here, so only script time is counted, not what the renderer takes.
"""

import argparse
import gzip
import math
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright
from tests.web.conftest import Served
from tests.web.replay import EAST_M, NORTH_M, ReplayCity

from benchmarks.record import Result, record
from cityloop.city.surface import Vehicles
from cityloop.web.app import ASSETS

VEHICLES = 600
REPORTS_PER_S = 5
MEASURED_S = 10.0
ARGUMENTS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update",
             "--no-first-run", "--enable-unsafe-swiftshader"]  # fmt: skip
SCRIPT = {"FunctionCall", "FireAnimationFrame", "EventDispatch", "TimerFire", "RunMicrotasks"}
"""Trace events under which scripts of the page run; the outermost of each is counted."""


GRAB = """
  const Native = window.EventSource;
  window.EventSource = class extends Native {
    constructor(...from) {
      super(...from);
      window.source = this;
      const keep = (name, as) =>
        this.addEventListener(name, (event) => (window[as] = JSON.parse(event.data)));
      keep('state', 'lastState');
      keep('vehicles', 'lastVehicles');
      keep('decisions', 'lastDecisions');
    }
  };
"""
PASS = """async ([first, count]) => {
  const { source, lastState, lastVehicles } = window;
  const [decision] = window.lastDecisions;
  const say = (name, data) =>
    source.dispatchEvent(new MessageEvent(name, { data: JSON.stringify(data) }));
  const begin = Date.parse('2018-04-16T03:00:00Z') + first * 1000;
  for (let i = 0; i < count; i++) {
    const city_time = new Date(begin + i * 1000).toISOString();
    const queued = lastState.queued.map((_, d) => (d * 7 + i) % 13);
    const shown = [(i >> 4) % 4, i % 16 < 3 ? 1 : 0, i % 16, 1];
    const junctions = lastState.junctions.map(() => shown);
    const rows = [0, 1].map((k) => {
      const number = 1e6 + 2 * (first + i) + k;
      return { ...decision, number, id: `decision-${number}`, city_time };
    });
    const x = lastVehicles.x.map((at) => (at + 2 * i) % 2400);
    say('state', { ...lastState, seq: 1e6 + first + i, city_time, queued, junctions });
    say('decisions', rows);
    say('vehicles', { ...lastVehicles, city_time, x });
    if (i % 20 === 19) await new Promise((done) => requestAnimationFrame(done));
  }
}"""


class MovingVehicles:
    """Vehicles that drive along the streets of the replayed grid at 4 to 14 m/s."""

    def __init__(self, count: int) -> None:
        random = np.random.default_rng(1)
        self._east = random.random(count) < 0.5
        self._street = random.integers(0, 4, count)
        self._start = random.uniform(0, 3 * EAST_M, count)
        self._speed = random.uniform(4, 14, count)
        self.second = 0.0

    @contextmanager
    def looking(self) -> Iterator[None]:
        """As any city."""
        yield

    def newest(self) -> Vehicles:
        """As any city."""
        along = (self._start + self._speed * self.second) % (3 * EAST_M)
        x = np.where(self._east, along, self._street * EAST_M)
        y = np.where(self._east, self._street * NORTH_M, along * NORTH_M / EAST_M)
        angle = np.where(self._east, 90.0, 0.0)
        columns = [np.round(values, 1).tolist() for values in (x, y, angle, self._speed)]
        return Vehicles("replay-1", "2018-04-16T02:15:00Z", list(range(len(x))), *columns)


class Moving:
    """Lets the city go on, and its vehicles with it, until stopped."""

    def __init__(self, served: Served, vehicles: MovingVehicles, per_s: float) -> None:
        self._served = served
        self._vehicles = vehicles
        self._pause_s = 1 / per_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.wait(self._pause_s):
            self._vehicles.second += 0.2
            self._served.advance(1)

    def stop(self) -> None:
        """Wait for the last step."""
        self._ended.set()
        self._thread.join()


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=18_000, help="states for the memory figure")
    events: int = parser.parse_args().events
    city, vehicles = ReplayCity(hold_rows=400), MovingVehicles(VEHICLES)
    city.vehicles = vehicles  # type: ignore[assignment]
    served = Served(city, ASSETS)
    served.advance(300)
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or "chromium"
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        results = [bundle(), *first_paint(browser, served), *frames(browser, served, vehicles)]
        results += memory(browser, served, events)
        browser.close()
    served.close()
    record("page", *results)


def bundle() -> Result:
    """Everything a browser may load, each file compressed by itself."""
    files = [path for path in ASSETS.rglob("*") if path.is_file()]
    size = sum(len(gzip.compress(path.read_bytes(), 9)) for path in files)
    return Result("bundle, gzip", round(size / 1e6, 3), "MB")


def first_paint(browser: Browser, served: Served, times: int = 5) -> list[Result]:
    """From the address to the figures and signs, and to the map drawn by WebGL; the median."""
    useful, drawn = [], []
    for _ in range(times):
        page = browser.new_page(base_url=served.url, viewport={"width": 1920, "height": 1080})
        page.goto("/", wait_until="commit")
        page.wait_for_selector(".spot[aria-label]")
        useful.append(_painted_ms(page))
        page.wait_for_selector(".stage[data-ground=gl]")
        drawn.append(_painted_ms(page))
        page.close()
    return [
        Result("first useful paint", round(float(np.median(useful))), "ms"),
        Result("map drawn by WebGL", round(float(np.median(drawn))), "ms"),
    ]


def _painted_ms(page: Page) -> float:
    """Milliseconds from the navigation to the end of the next frame."""
    told: float = page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => setTimeout("
        "() => done(performance.now()))))"
    )
    return told


def frames(browser: Browser, served: Served, vehicles: MovingVehicles) -> list[Result]:
    """Script time of each frame in which anything ran, while 600 vehicles glide."""
    page = browser.new_page(base_url=served.url, viewport={"width": 1280, "height": 800})
    page.goto("/")
    page.wait_for_selector(".stage[data-ground=gl]")
    moving = Moving(served, vehicles, REPORTS_PER_S)
    page.wait_for_timeout(2000)
    events = _trace(page, MEASURED_S)
    moving.stop()
    page.close()
    tops = _script(events)
    spent = _by_frame(tops, _frame_starts(events))
    return [
        Result("frames", float(len(spent)), f"in {MEASURED_S:.0f} s, {VEHICLES} vehicles"),
        Result("script per frame, mean", round(float(np.mean(spent)), 2), "ms"),
        Result("script per frame, median", round(float(np.median(spent)), 2), "ms"),
        Result("script per frame, 95 %", round(float(np.percentile(spent, 95)), 2), "ms"),
    ]


def _trace(page: Page, seconds: float) -> list[dict[str, Any]]:
    """The complete events of the page's main thread."""
    session = page.context.new_cdp_session(page)
    events: list[dict[str, Any]] = []
    done: list[bool] = []
    session.on("Tracing.dataCollected", lambda told: events.extend(told["value"]))
    session.on("Tracing.tracingComplete", lambda _: done.append(True))
    categories = "devtools.timeline,disabled-by-default-devtools.timeline"
    session.send("Tracing.start", {"categories": categories, "transferMode": "ReportEvents"})
    page.wait_for_timeout(seconds * 1000)
    session.send("Tracing.end")
    while not done:
        page.wait_for_timeout(100)
    frame = max(_threads(events).items(), key=lambda item: item[1])[0]
    return [event for event in events if (event["pid"], event["tid"]) == frame]


def _threads(events: list[dict[str, Any]]) -> dict[tuple[int, int], int]:
    """How many animation frames each thread fired: the page's main thread has them."""
    counts: dict[tuple[int, int], int] = {}
    for event in events:
        if event["name"] == "FireAnimationFrame":
            key = event["pid"], event["tid"]
            counts[key] = counts.get(key, 0) + 1
    return counts


def _script(events: list[dict[str, Any]]) -> list[tuple[float, float]]:
    """(start, time taken) in ms of the outermost script events; CPU time where it is told."""
    spans = sorted(
        (event["ts"] / 1000, event["dur"] / 1000, event.get("tdur", event["dur"]) / 1000)
        for event in events
        if event.get("ph") == "X" and event["name"] in SCRIPT
    )
    tops: list[tuple[float, float]] = []
    end = -math.inf
    for start, lasts, cpu in spans:
        if start >= end:
            tops.append((start, cpu))
            end = start + lasts
    return tops


def _frame_starts(events: list[dict[str, Any]]) -> list[float]:
    """When the page began each frame (ms); callbacks of one frame stand close together."""
    fired = sorted(e["ts"] / 1000 for e in events if e["name"] == "FireAnimationFrame")
    return [at for i, at in enumerate(fired) if i == 0 or at - fired[i - 1] > 4]


def _by_frame(tops: list[tuple[float, float]], starts: list[float]) -> list[float]:
    """All script between one frame's begin and the next one's, messages of the stream included."""
    at = np.array([start for start, _ in tops])
    cpu = np.array([spent for _, spent in tops])
    row = np.searchsorted(np.array(starts), at, side="right") - 1
    kept = row >= 0
    spent: list[float] = np.bincount(row[kept], cpu[kept], minlength=len(starts)).tolist()
    return spent


def memory(browser: Browser, served: Served, events: int) -> list[Result]:
    """The page's heap after collection, before and after as many states as an hour brings.

    The stream tells five states a second at most; an hour is passed by handing its events over in
    the page, each with two decisions and every vehicle, and a frame after each twenty.
    """
    page = browser.new_page(base_url=served.url, viewport={"width": 1280, "height": 800})
    page.add_init_script(GRAB)
    page.goto("/#/junction/intersection_2_2")
    page.wait_for_selector(".stage[data-ground=gl]")
    served.advance(5)
    page.wait_for_function("() => window.lastState && window.lastVehicles && window.lastDecisions")
    session = page.context.new_cdp_session(page)
    page.evaluate(PASS, [0, events // 5])  # lists and caches fill first
    before = _heap_mb(session)
    page.evaluate(PASS, [events // 5, events])
    after = _heap_mb(session)
    page.close()
    name = f"heap after {events} states, {2 * events} decisions and as many reports of vehicles"
    return [Result(name, round(after, 1), "MB", round(before, 1), round(after / before, 3))]


def _heap_mb(session: CDPSession) -> float:
    for _ in range(3):
        session.send("HeapProfiler.collectGarbage")
    used: float = session.send("Runtime.getHeapUsage")["usedSize"]
    return used / 1e6


if __name__ == "__main__":
    main()
