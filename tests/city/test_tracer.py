"""The tracer runs the whole circle of a real city, and tells where it was lost."""

import signal
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.faults.running import RunningCity, running, until
from tests.faults.town import LAMP, build_real_town, open_door

from cityloop.city.clock import wall_time
from cityloop.city.tracer import STAGES
from cityloop.interconnection.tenant import open_tenant

_TRACER = "\n[tracer]\nevery_s = 1\npatience_s = 14\n"


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory, unused_port: int) -> Iterator[RunningCity]:
    folder = tmp_path_factory.mktemp("tracer")
    town = build_real_town(folder / "town", LAMP)
    open_door(town, unused_port + 1)
    with (town / "city.toml").open("a") as settings:
        settings.write(_TRACER)
    with running(folder / "data", unused_port, city=town) as city:
        until("an answer", lambda: city.get("/health/live"))
        yield city


def samples(city: RunningCity, name: str) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(city.client.get("/metrics").text)
    return {
        tuple(sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
        if sample.name == name
    }


def returned(city: RunningCity) -> float:
    return samples(city, "cityloop_traces_total").get(("returned",), 0)


def lost(city: RunningCity) -> dict[str, Any] | None:
    """The alarm, while its cause is there."""
    rows = city.get("/api/alarms?state=open") or []
    there = (row for row in rows if row["state"] in ("unacknowledged", "acknowledged"))
    return next((row for row in there if row["kind"] == "tracer-lost"), None)


def test_a_trace_passes_every_stage_and_counts_in_no_figure_of_the_city(city: RunningCity) -> None:
    until("a trace that came back", lambda: returned(city) or None)
    passed = samples(city, "cityloop_trace_stage_seconds")
    assert [stage for (stage,) in sorted(passed, key=passed.__getitem__)] == list(STAGES)
    assert samples(city, "cityloop_trace_last_seconds")[()] < 5
    summary = city.get("/api/summary")
    assert (summary["observations_total"], summary["decisions_total"]) == (0, 0)
    assert {row["name"] for row in city.get("/api/sources")} == {"lamps"}
    assert "Tracer" not in city.client.get("/api/export/observations.csv").raise_for_status().text


@pytest.mark.slow
def test_an_alarm_names_the_worker_s_stage_while_that_stands_and_ends_when_it_goes_on(
    city: RunningCity,
) -> None:
    city.kill("worker", signal.SIGSTOP)
    alarm = until("the alarm", lambda: lost(city))
    city.kill("worker", signal.SIGCONT)
    assert (alarm["data"]["passed"], alarm["data"]["missing"]) == ("outcome", "context")
    until("its end", lambda: lost(city) is None or None)


@pytest.mark.slow
def test_an_alarm_names_a_stage_while_the_hub_stands_and_ends_when_it_goes_on(
    city: RunningCity,
) -> None:
    before = returned(city)
    city.kill("hub", signal.SIGSTOP)
    alarm = until("the alarm", lambda: lost(city))
    city.kill("hub", signal.SIGCONT)
    assert alarm["data"]["missing"] in STAGES
    assert alarm["number"] == 0, "the hub cannot have recorded it"
    until("its end", lambda: lost(city) is None or None)
    until("another trace", lambda: returned(city) > before or None)


def test_what_the_tracer_said_is_in_the_log_under_its_own_name(city: RunningCity) -> None:
    until("a trace that came back", lambda: returned(city) or None)
    tenant = open_tenant(city.data, "town", wall_time, readonly=True)
    try:
        assert tenant.log.sequence("tracer", "live") >= 2
    finally:
        tenant.close()
