"""kill -9 of the web's process: whoever watched goes on where they were."""

import json
from collections.abc import Iterator

import pytest
from tests.faults.running import RunningCity, running, until


@pytest.fixture(scope="module")
def city(unused_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCity]:
    """A city whose web was killed after it had measured something, and is back."""
    data = tmp_path_factory.mktemp("web")
    with running(data, unused_port, "--speed", "50") as city:
        until("a measure on record", lambda: (trend(city) or [])[1:] or None)
        city.wait_decisions(50)
        city.wait_reborn("web", city.kill("web"))
        city.wait_decisions(100)
        yield city


def trend(city: RunningCity) -> list[str]:
    told = city.get("/api/trend")
    return [] if told is None else [str(time) for time in told["city_time"]]


def told_decisions(city: RunningCity, since: int, until_number: int) -> list[int]:
    """The numbers that a client is told which knows ``since``, in the order told."""
    numbers: list[int] = []
    with city.client.stream("GET", "/api/stream", headers={"Last-Event-ID": str(since)}) as answer:
        name = ""
        for line in answer.iter_lines():
            name = line.removeprefix("event: ") if line.startswith("event: ") else name
            if name == "decisions" and line.startswith("data: "):
                rows = json.loads(line.removeprefix("data: "))
                numbers += [row["number"] for row in reversed(rows)]
                if numbers[-1] >= until_number:
                    break
    return numbers


def test_a_client_is_told_every_decision_since_it_left(city: RunningCity) -> None:
    numbers = told_decisions(city, 3, 100)
    assert numbers == list(range(4, numbers[-1] + 1))


def test_the_measures_from_before_are_still_on_the_chart(city: RunningCity) -> None:
    run = city.get("/api/history/runs")[0]
    times = [str(t) for t in city.get(f"/api/trend?run={run['run']}")["city_time"]]
    assert times == sorted(times)
    assert times[0] < run["begins"][:14] + "05:00.000Z"
