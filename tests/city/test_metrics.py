"""What Prometheus and a process manager are told of a real city, and of one whose hub stands."""

import json
import re
import signal
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from tests.faults.running import ROOT, RunningCity, running, until

from cityloop.city.metric_kinds import METRICS, MetricKind
from cityloop.city.metrics import Lags
from cityloop.kernel.figures import BOUNDS_S, Durations, Figure
from cityloop.web.metrics_text import metrics_text

DASHBOARD = ROOT / "deploy" / "grafana" / "cityloop.json"
MANUAL = ROOT / "docs" / "reference" / "metrics.md"


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory, unused_port: int) -> Iterator[RunningCity]:
    with running(tmp_path_factory.mktemp("metrics"), unused_port, "--speed", "20") as city:
        city.wait_decisions(0)
        yield city


def scrape(city: RunningCity) -> dict[str, Metric]:
    """Metric name, as queries have it → what was scraped."""
    answer = city.client.get("/metrics").raise_for_status()
    families = text_string_to_metric_families(answer.text)
    return {f.name + ("_total" if f.type == "counter" else ""): f for f in families}


def value(city: RunningCity, name: str, **labels: str) -> float | None:
    samples = scrape(city)[name].samples if name in scrape(city) else []
    return next((s.value for s in samples if s.labels == labels), None)


def test_a_running_city_tells_every_metric_that_is_declared_for_a_city(city: RunningCity) -> None:
    # Sources, rejects, subscriptions and a bus's server this city has none of, and no trace came
    # back yet.
    absent = re.compile(
        "cityloop_(source_|rejected|broker_|bus_|subscriptions|notifications_|trace_last|trace_stage)"
    )
    wanted = {name for name in METRICS if not absent.match(name)}
    until("every metric", lambda: wanted <= scrape(city).keys() or None)


def test_the_metrics_count_what_the_summary_counts(city: RunningCity) -> None:
    def both() -> tuple[float, float] | None:
        told = value(city, "cityloop_decisions_total")
        return (told, city.get("/api/summary")["decisions_total"]) if told else None

    before = until("a count", both)[1]
    until("the metrics to come so far", lambda: (both() or (0, 0))[0] >= before or None)
    told, after = until("a count", both)
    assert before <= told <= after


def expressions(dashboard: dict[str, Any]) -> list[str]:
    return [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]


def test_the_dashboard_asks_for_metrics_and_labels_that_exist() -> None:
    asked = " ".join(expressions(json.loads(DASHBOARD.read_text())))
    names = {re.sub(r"_(bucket|sum|count)$", "", n) for n in re.findall(r"cityloop_\w+", asked)}
    assert names - METRICS.keys() == set()
    labels = {label for kind in METRICS.values() for label in kind.labels}
    grouped = re.findall(r"(?:by|on) \(([\w, ]+)\)", asked)
    assert {w.strip() for g in grouped for w in g.split(",")} <= labels | {"le", "instance"}


def test_every_panel_of_the_dashboard_has_a_place_and_a_number_of_its_own() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        grid = panel["gridPos"]
        columns = range(grid["x"], grid["x"] + grid["w"])
        lines = range(grid["y"], grid["y"] + grid["h"])
        cells = {(x, y) for x in columns for y in lines}
        assert max(columns) < 24
        assert not taken & cells, panel["title"]
        taken |= cells


def test_the_manual_lists_every_metric_with_its_form_labels_and_meaning() -> None:
    lines = set(MANUAL.read_text().splitlines())
    assert [name for name, kind in METRICS.items() if manual_line(kind) not in lines] == []
    told = re.findall(r"^\| `(cityloop_\w+)`", MANUAL.read_text(), re.MULTILINE)
    assert sorted(told) == sorted(METRICS)


def manual_line(kind: MetricKind) -> str:
    labels = ", ".join(f"`{label}`" for label in kind.labels)
    return f"| `{kind.name}` | {kind.form} | {labels} | {kind.text} |"


def test_a_city_whose_hub_stands_still_is_live_and_not_ready_until_it_goes_on(
    city: RunningCity,
) -> None:
    until("readiness", lambda: city.get("/health/ready"))
    city.kill("hub", signal.SIGSTOP)
    answer = until("unreadiness", lambda: unready(city))
    city.kill("hub", signal.SIGCONT)
    reasons = {part["name"]: part["reason"] for part in answer["parts"] if not part["ready"]}
    assert "said nothing" in reasons["hub"]
    assert city.client.get("/health/live").status_code == 200
    until("readiness again", lambda: city.get("/health/ready"))


@pytest.mark.slow
def test_a_city_whose_hub_was_killed_is_not_ready_until_another_one_works(
    city: RunningCity,
) -> None:
    killed = city.kill("hub")
    until("unreadiness", lambda: unready(city))
    city.wait_reborn("hub", killed)
    until("readiness again", lambda: city.get("/health/ready"))


@pytest.mark.slow
def test_a_city_whose_supervisor_stands_still_is_not_live(city: RunningCity) -> None:
    city.process.send_signal(signal.SIGSTOP)
    until("its end", lambda: city.client.get("/health/live").status_code == 503 or None)
    city.process.send_signal(signal.SIGCONT)
    until("life", lambda: city.client.get("/health/live").is_success or None)


def unready(city: RunningCity) -> Any:
    answer: httpx.Response = city.client.get("/health/ready")
    return answer.json() if answer.status_code == 503 else None


def test_durations_are_told_as_what_took_at_most_so_long() -> None:
    took = Durations()
    for took_s in (0.0001, 0.02, 0.02, 500.0):
        took.add(took_s)
    (family,) = text_string_to_metric_families(
        metrics_text([took.spread("cityloop_tick_seconds")]).decode()
    )
    found = {s.labels.get("le", s.name): s.value for s in family.samples}
    assert found["0.01"] == 1
    assert found["0.025"] == 3
    assert found["60"] == 3
    assert found["+Inf"] == found["cityloop_tick_seconds_count"] == 4
    assert found["cityloop_tick_seconds_sum"] == pytest.approx(500.0401)
    assert len(BOUNDS_S) + 3 == len(family.samples)


def test_a_fold_is_late_by_the_time_since_the_log_went_beyond_it() -> None:
    lags = Lags()
    for now, position in ((10.0, 5), (11.0, 9), (12.0, 9), (20.0, 30)):
        lags.hear([Figure("cityloop_log_position", position)], now)
    lags.hear([Figure("cityloop_fold_position", 7, ("context",))], 20.0)
    lags.hear([Figure("cityloop_fold_position", 30, ("history",))], 20.0)
    assert lags.behind(25.0) == {"context": (23, 14.0), "history": (0, 0.0)}
