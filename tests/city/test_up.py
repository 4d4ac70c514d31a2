"""``cityloop up`` from the outside: what an operator does, and what the city makes of it."""

import csv
import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright
from tests.faults.running import HANGZHOU, RunningCity, running, until

from cityloop.standards.plans import DAYS

HEADLESS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
LOOP = "mobility/signal_timing"


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory, unused_port: int) -> Iterator[RunningCity]:
    data = tmp_path_factory.mktemp("up")
    with running(data, unused_port, "--speed", "10") as city:
        city.wait_decisions(0)
        yield city


def junction_row(city: RunningCity, name: str) -> int:
    return [junction["id"] for junction in city.get("/api/map")["junctions"]].index(name)


def in_charge(city: RunningCity, name: str) -> int:
    state = city.get("/api/state")
    return int(state["junctions"][junction_row(city, name)][3])


def wait_in_charge(city: RunningCity, name: str, who: int) -> None:
    until(f"{name} to be run by {who}", lambda: in_charge(city, name) == who or None)


def decision(city: RunningCity, **wanted: Any) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        rows = city.get("/api/decisions?limit=200") or []
        matching = (row for row in rows if wanted.items() <= row.items())
        return next(matching, None)

    return until(f"a decision like {wanted}", look)


def test_the_summary_has_every_field_of_the_contract(city: RunningCity) -> None:
    summary = city.get("/api/summary")
    assert set(summary) == {
        *("city", "run", "city_time", "signals", "vehicles", "observations_total"),
        *("rejected_total", "decisions_total", "refused_total", "fallbacks_total"),
        *("att_loop_s", "att_baseline_s", "loop_latency_p50_ms", "loop_latency_p99_ms"),
    }
    assert summary["signals"] == 16
    assert summary["rejected_total"] == 0


def test_vehicles_are_shown_to_those_who_look(city: RunningCity) -> None:
    with city.client.stream("GET", "/api/stream?vehicles=1") as answer:
        names = (line for line in answer.iter_lines())
        next(line for line in names if line == "event: vehicles")
        seen = json.loads(next(names).removeprefix("data: "))
    assert len(seen["ids"]) == len(seen["x"]) == len(seen["speed"])
    assert len(set(seen["ids"])) == len(seen["ids"])
    assert all(0 <= angle <= 360 for angle in seen["angle"])


def test_delay_is_less_than_travel_time(city: RunningCity) -> None:
    def late() -> dict[str, Any] | None:
        measures: dict[str, Any] = city.get("/api/state")["measures"]
        return measures if measures["delay_baseline_s"] else None

    measures = until("the first delay", late)
    assert 0 <= measures["delay_loop_s"] < measures["att_loop_s"]


def test_a_past_second_shows_what_was_shown_then(city: RunningCity) -> None:
    state = until("a second", lambda: city.get("/api/state"))
    path = f"/api/history/moment?run={state['run']}&at={state['city_time']}"

    def committed() -> dict[str, Any] | None:
        moment: dict[str, Any] = city.get(path)
        return moment if moment["city_time"] == state["city_time"] else None

    moment = until("that second on record", committed)
    for same in ("run", "junctions", "queued", "vehicles_on", "modes"):
        assert moment[same] == state[same]


def test_a_timeline_goes_on_to_what_the_cabinet_shows_now(city: RunningCity) -> None:
    moment = city.get("/api/history/moment")
    name = city.get("/api/map")["junctions"][0]["id"]
    path = f"/api/junctions/{name}/timeline?at={moment['city_time']}"
    timeline = city.get(path)
    newest = timeline["stages"][-1]
    assert [newest[k] for k in ("phase", "stage", "in_charge")] == [
        moment["junctions"][0][i] for i in (0, 1, 3)
    ]
    assert len(timeline["detectors"]) > 0
    assert all(len(one["queued"]) == 61 for one in timeline["detectors"])


TABLES = ["decisions", "measures", "detectors", "signals", "alarms", "observations"]


@pytest.mark.parametrize("table", TABLES)
def test_every_table_of_the_record_can_be_taken_away(city: RunningCity, table: str) -> None:
    until("a decision on record", lambda: city.get("/api/decisions") or None)
    answer = city.client.get(f"/api/export/{table}.csv")
    head, *rows = csv.reader(io.StringIO(answer.text))
    assert answer.status_code == 200
    assert {"decisions": "number", "alarms": "number"}.get(table, "at") == head[0]
    assert all(len(row) == len(head) for row in rows)
    # No alarm may have come yet, and no live source speaks for this city.
    assert rows or table in ("measures", "alarms", "observations")


def test_a_client_that_missed_everything_gets_it_in_order(city: RunningCity) -> None:
    newest = until("ten decisions", lambda: (city.get("/api/decisions") or [])[9:])[0]["number"]
    numbers: list[int] = []
    with city.client.stream("GET", "/api/stream", headers={"Last-Event-ID": "0"}) as answer:
        name = ""
        for line in answer.iter_lines():
            name = line.removeprefix("event: ") if line.startswith("event: ") else name
            if name == "decisions" and line.startswith("data: "):
                rows = json.loads(line.removeprefix("data: "))
                numbers += [row["number"] for row in reversed(rows)]
                if newest in numbers:
                    break
    assert numbers == list(range(1, len(numbers) + 1))


def test_the_city_becomes_ready(city: RunningCity) -> None:
    until("readiness", lambda: city.get("/health/ready"))


def test_loop_and_baseline_are_measured_at_the_same_second(city: RunningCity) -> None:
    def look() -> dict[str, Any] | None:
        measures: dict[str, Any] = city.get("/api/state")["measures"]
        return measures if measures["att_baseline_s"] is not None else None

    measures = until("both figures", look)
    assert measures["difference_s"] == pytest.approx(
        measures["att_loop_s"] - measures["att_baseline_s"]
    )


def test_an_operator_holds_a_junction_and_gives_it_back(city: RunningCity) -> None:
    answer = city.post("/api/junctions/J11/operate", {"action": "hold", "phase": 0, "minutes": 30})
    assert answer.status_code < 300, answer.text
    wait_in_charge(city, "J11", 2)
    assert decision(city, junction="J11", loop="operator")["action"] == "hold"
    held_s = 60
    since = steps(city)
    until("a minute of the hold", lambda: steps(city) >= since + held_s or None)
    assert in_charge(city, "J11") == 2
    city.post("/api/junctions/J11/operate", {"action": "release", "minutes": 1})
    wait_in_charge(city, "J11", 1)


def steps(city: RunningCity) -> int:
    """Seconds of city time since midnight."""
    clock = city.get("/api/state")["city_time"].partition("T")[2]
    hours, minutes, seconds = (int(float(part)) for part in clock.rstrip("Z").split(":"))
    return 3600 * hours + 60 * minutes + seconds


def test_flash_is_shown_as_flash(city: RunningCity) -> None:
    city.post("/api/junctions/J12/operate", {"action": "flash", "minutes": 30})
    row = junction_row(city, "J12")
    until("flash", lambda: city.get("/api/state")["junctions"][row][1] == 3 or None)
    city.post("/api/junctions/J12/operate", {"action": "release", "minutes": 1})
    wait_in_charge(city, "J12", 1)


def test_a_group_in_shadow_decides_and_does_not_act(city: RunningCity) -> None:
    switch(city, "west", "shadow")
    wait_in_charge(city, "J13", 0)
    decision(city, junction="J13", mode="shadow")
    refused = switch(city, "west", "act")
    assert refused.status_code == 409 or refused.status_code == 403
    assert "shadow result" in refused.text
    assert switch(city, "west", "act", "20 s less in shadow").status_code < 300
    wait_in_charge(city, "J13", 1)


def switch(city: RunningCity, group: str, mode: str, result: str | None = None) -> Any:
    body = {"group": group, "mode": mode, "shadow_result": result}
    return city.post(f"/api/loops/{LOOP}/mode", body)


def test_advice_is_carried_out_once_a_person_confirms(city: RunningCity) -> None:
    city.post("/api/drive", {"action": "speed", "speed": 1})
    switch(city, "east", "advise")
    advice = decision(city, mode="advise", waiting_for_confirmation=True)
    answer = city.post(f"/api/advice/{advice['id']}", {"confirm": True})
    assert answer.status_code < 300, answer.text
    assert decision(city, id=advice["id"], verdict="confirmed")["junction"] == advice["junction"]
    wait_in_charge(city, advice["junction"], 1)
    assert city.post(f"/api/advice/{advice['id']}", {"confirm": True}).status_code == 409
    switch(city, "east", "act", "20 s less in shadow")


def test_the_page_moves_with_the_city(city: RunningCity, chromium: str) -> None:
    def shown() -> str:
        return str(page.locator("header time").first.inner_text())

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=HEADLESS)
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{city.port}")
        page.locator(".spot").nth(15).wait_for()
        before = shown()
        until("the page's clock to move", lambda: shown() != before or None)
        browser.close()


def test_the_loop_tells_its_version_and_what_it_gains(city: RunningCity) -> None:
    def gains() -> dict[str, Any] | None:
        (row,) = city.get("/api/loops")
        return row if row["gain"] is not None else None

    row = until("the gain", gains)
    assert (row["version"], row["versions"], row["state"]) == ("2", ["2", "1"], "ok")
    assert city.get("/api/state")["measures"]["difference_s"] is not None


def test_a_loop_goes_back_to_its_first_version_and_acts_on(city: RunningCity) -> None:
    def version(name: str, reason: str) -> None:
        body = {"version": name, "reason": reason, "by": "Li"}
        assert city.post(f"/api/loops/{LOOP}/version", body).status_code == 204

    version("1", "to see")
    until("version 1", lambda: city.get("/api/loops")[0]["version"] == "1" or None)
    own = {"pressure_higher", "pressure_highest"}
    until("its reasons", lambda: reasons(city) & own or None)
    wait_in_charge(city, "J44", 1)
    version("2", "seen")


def reasons(city: RunningCity) -> set[str]:
    rows = city.get("/api/decisions?limit=50")
    return {row["why"]["code"] for row in rows if row["why"] is not None}


def test_a_plan_from_the_page_is_run_by_a_cabinet(city: RunningCity) -> None:
    own = next(p for p in city.get("/api/plans")["default"] if p["junction"] == "J22")
    plan = {"id": "new", "junctions": [own]}
    entry = {"plan": "new", "days": list(DAYS), "from": "00:00", "until": "24:00"}
    put(city, "/api/plans", {"plans": [plan], "by": "Li"})
    put(city, "/api/calendar", {"entries": [entry], "holidays": [], "by": "Li"})
    until("the plan", lambda: city.get("/api/plans")["in_force"] == "new" or None)
    spoiled = {"id": "new", "junctions": [own | {"phases": [{"phase": 0, "green_s": 3}]}]}
    refused = city.put("/api/plans", {"plans": [spoiled], "by": "Li"})
    assert refused.status_code == 409
    assert "junction J22: phase 0: green 3 s is below its minimum" in refused.json()["detail"]


def put(city: RunningCity, path: str, body: dict[str, Any]) -> None:
    answer = city.put(path, body)
    assert answer.status_code == 204, answer.text


def test_a_paused_city_stands_still_and_steps(city: RunningCity) -> None:
    city.post("/api/drive", {"action": "pause"})
    until("the pause", lambda: city.get("/api/state")["paused"] or None)
    before = steady_time(city)
    city.post("/api/drive", {"action": "step"})
    after = until("one step", lambda: other_time(city, before))
    assert after > before
    city.post("/api/drive", {"action": "resume"})


def steady_time(city: RunningCity) -> str:
    seen = [""]

    def look() -> str | None:
        seen.append(city.get("/api/state")["city_time"])
        return seen[-1] if seen[-20:].count(seen[-1]) == 20 else None

    return until("the city to stand still", look)


def other_time(city: RunningCity, before: str) -> str | None:
    now: str = city.get("/api/state")["city_time"]
    return now if now != before else None


def test_a_taken_port_is_told_in_one_line(city: RunningCity, tmp_path: Path) -> None:
    told = up("--data", str(tmp_path), "--port", str(city.port))
    assert told.returncode == 2
    assert told.stderr.startswith(f"cityloop: port {city.port} cannot be used")
    assert told.stderr.count("\n") == 1


def test_missing_sumo_is_told_in_one_line() -> None:
    # None stands for "is not there" in the import system itself.
    start = "import sys; sys.modules['libsumo'] = None; from cityloop.cli import main; main()"
    told = subprocess.run(
        [sys.executable, "-c", start, "up", str(HANGZHOU)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 1
    assert told.stderr.startswith("cityloop: the package libsumo is missing; run `make setup`")
    assert told.stderr.count("\n") == 1


def test_a_second_city_in_the_same_folder_is_refused(city: RunningCity, free_port: int) -> None:
    told = up("--data", str(city.data), "--port", str(free_port))
    assert told.returncode == 2
    assert "already runs" in told.stderr
    assert told.stderr.count("\n") == 1


def test_an_unknown_junction_in_a_group_is_told_with_its_line(tmp_path: Path) -> None:
    folder = shutil.copytree(HANGZHOU, tmp_path / "city", ignore=shutil.ignore_patterns("data"))
    settings = folder / "city.toml"
    settings.write_text(settings.read_text().replace('"J11", ', '"J99", '))
    told = up("--data", str(tmp_path / "data"), folder=folder)
    assert told.returncode == 2
    assert re.search(r"city\.toml:\d+: groups\.west: J99 is no signalised junction", told.stderr)


def up(*options: str, folder: Path = HANGZHOU) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "cityloop", "up", str(folder), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)
