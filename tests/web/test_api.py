"""What each address answers, asked of a real server."""

from pathlib import Path

import httpx
import pytest
from tests.web.conftest import Served
from tests.web.replay import LOOP, ReplayCity

from cityloop.kernel.errors import ConfigError
from cityloop.web.app import create_app

SUMMARY = [
    "city",
    "run",
    "city_time",
    "signals",
    "vehicles",
    "observations_total",
    "rejected_total",
    "decisions_total",
    "refused_total",
    "fallbacks_total",
    "att_loop_s",
    "att_baseline_s",
    "loop_latency_p50_ms",
    "loop_latency_p99_ms",
]


def test_the_summary_holds_the_promised_figures_and_no_other(client: httpx.Client) -> None:
    assert list(client.get("/api/summary").json()) == SUMMARY


def test_rows_of_the_state_stand_in_the_order_of_the_map(
    served: Served, client: httpx.Client
) -> None:
    served.advance(30)
    city_map, state = client.get("/api/map").json(), client.get("/api/state").json()
    assert len(state["junctions"]) == len(city_map["junctions"]) == 16
    assert len(state["queued"]) == len(state["vehicles_on"]) == len(city_map["detectors"])


def test_a_city_before_its_first_second_says_that_it_knows_nothing(client: httpx.Client) -> None:
    state = client.get("/api/state").json()
    assert state["city_time"] is None
    assert state["measures"]["att_loop_s"] is None


def test_a_healthy_city_is_live_and_ready(client: httpx.Client) -> None:
    assert client.get("/health/live").status_code == 200
    assert client.get("/health/ready").json()["ok"] is True


def test_a_city_without_its_hub_is_not_ready_and_says_why(
    served: Served, client: httpx.Client
) -> None:
    served.city.hub_alive = False
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    hub = next(part for part in answer.json()["parts"] if part["name"] == "hub")
    assert "started again" in hub["reason"]


def test_decisions_come_newest_first_and_no_more_than_asked(
    served: Served, client: httpx.Client
) -> None:
    served.advance(120)
    numbers = [row["number"] for row in client.get("/api/decisions?limit=5").json()]
    assert numbers == list(range(numbers[0], numbers[0] - 5, -1))


def test_decisions_can_be_those_of_one_junction(served: Served, client: httpx.Client) -> None:
    served.advance(120)
    rows = client.get("/api/decisions", params={"junction": "intersection_2_2"}).json()
    assert {row["junction"] for row in rows} == {"intersection_2_2"}


def test_a_mode_is_switched(served: Served, client: httpx.Client) -> None:
    body = {"group": "west", "mode": "shadow"}
    assert client.post(f"/api/loops/{LOOP}/mode", json=body).status_code == 204
    assert served.city.modes["west"] == "shadow"


def test_a_refusal_gives_the_sentence_that_says_why(client: httpx.Client) -> None:
    answer = client.post(f"/api/loops/{LOOP}/mode", json={"group": "east", "mode": "act"})
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == "Mode act needs the shadow result that justifies it."
    assert answer.json()["instance"] == f"/api/loops/{LOOP}/mode"


def test_a_command_without_a_hub_asks_to_try_again(served: Served, client: httpx.Client) -> None:
    served.city.hub_alive = False
    answer = client.post("/api/drive", json={"action": "pause"})
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"


def test_a_person_confirms_what_a_loop_advises(served: Served, client: httpx.Client) -> None:
    served.advance(60)
    rows = client.get("/api/decisions").json()
    waiting = next(row for row in rows if row["waiting_for_confirmation"])
    assert client.post(f"/api/advice/{waiting['id']}", json={"confirm": True}).status_code == 204
    newest = client.get("/api/decisions?limit=1").json()[0]
    assert (newest["id"], newest["verdict"]) == (waiting["id"], "confirmed")


def test_an_operator_takes_a_junction(served: Served, client: httpx.Client) -> None:
    body = {"action": "hold", "phase": 2, "minutes": 5}
    client.post("/api/junctions/intersection_1_1/operate", json=body)
    assert served.city.commands == [("operate", "intersection_1_1", "hold", 2, 5.0)]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/drive", {"action": "speed"}),
        ("/api/drive", {"action": "pause", "speed": 2}),
        ("/api/drive", {"action": "speed", "speed": -1}),
        ("/api/drive", {"action": "sprint"}),
        ("/api/advice/x", {"confirm": "yes"}),
        ("/api/advice/x", {"confirm": True, "force": True}),
        ("/api/junctions/x/operate", {"action": "hold", "minutes": 0}),
        ("/api/loops/x/mode", {"group": "west"}),
    ],
)
def test_a_body_that_means_nothing_never_reaches_the_city(
    served: Served, client: httpx.Client, path: str, body: dict[str, object]
) -> None:
    assert client.post(path, json=body).status_code == 422
    assert served.city.commands == []


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=many", "limit=99999", "colour=red", "limit=1&limit=2"]
)
def test_a_query_that_means_nothing_is_told_so(client: httpx.Client, query: str) -> None:
    assert client.get(f"/api/decisions?{query}").status_code == 422


def test_an_unknown_address_is_a_problem_too(client: httpx.Client) -> None:
    assert client.post("/api/nothing", json={}).headers["content-type"] == (
        "application/problem+json"
    )


def test_the_page_is_asked_for_anew_each_time(client: httpx.Client) -> None:
    answer = client.get("/")
    assert answer.text.endswith("<title>page</title>")
    assert answer.headers["cache-control"] == "no-cache"


def test_without_a_built_page_the_error_says_how_to_build_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="make setup"):
        create_app(ReplayCity(), tmp_path)


def test_a_map_that_a_client_has_is_not_sent_again(client: httpx.Client) -> None:
    tag = client.get("/api/map").headers["etag"]
    again = client.get("/api/map", headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")


def test_large_answers_are_compressed_and_the_stream_is_not(client: httpx.Client) -> None:
    assert client.get("/api/map").headers["content-encoding"] == "gzip"
    with client.stream("GET", "/api/stream") as answer:
        assert "content-encoding" not in answer.headers
