"""Plans, calendar and retention over HTTP."""

import httpx
import pytest
from tests.web.conftest import Served

ENTRY = {"plan": "peak", "days": ["mon"], "from": "07:00", "until": "09:00"}
PLAN = {"id": "peak", "junctions": [{"junction": "J11", "phases": [{"phase": 0, "green_s": 30}]}]}


def test_plans_are_told_with_what_runs_without_them(client: httpx.Client) -> None:
    told = client.get("/api/plans").json()
    assert told["default"][0]["phases"] == [
        {"phase": 0, "green_s": 30.0},
        {"phase": 1, "green_s": 20.0},
    ]
    assert [plan["id"] for plan in told["plans"]] == ["peak"]


def test_a_table_of_plans_is_put_in_the_place_of_the_other(
    served: Served, client: httpx.Client
) -> None:
    assert client.put("/api/plans", json={"plans": [PLAN], "by": "Li"}).status_code == 204
    verb, plans, by = served.city.commands[-1]
    assert (verb, by) == ("set_plans", "Li")
    assert plans[0]["junctions"][0]["junction"] == "J11"  # type: ignore[index]


def test_a_calendar_is_put_in_the_place_of_the_other(served: Served, client: httpx.Client) -> None:
    body = {"entries": [ENTRY], "holidays": ["2026-10-01"], "by": "Li"}
    assert client.put("/api/calendar", json=body).status_code == 204
    assert served.city.commands[-1][1]["holidays"] == ["2026-10-01"]  # type: ignore[index]


@pytest.mark.parametrize(
    "spoiled", [{"from": "7:00"}, {"days": []}, {"days": ["someday"]}, {"first": "May"}]
)
def test_an_entry_that_cannot_be_is_told_with_its_place(
    client: httpx.Client, spoiled: dict[str, object]
) -> None:
    body = {"entries": [ENTRY | spoiled], "holidays": [], "by": "Li"}
    answer = client.put("/api/calendar", json=body)
    assert answer.status_code == 422
    assert "$.entries[0]" in answer.json()["detail"]


def test_retention_is_told_beside_what_is_declared(client: httpx.Client) -> None:
    (row,) = client.get("/api/retention").json()
    assert (row["raw"], row["every_s"], row["kept"]) == ("P14D", 60.0, "P90D")
    assert row["declared"]["kept"] == "P90D"


def test_a_rule_is_changed_by_somebody(served: Served, client: httpx.Client) -> None:
    rule = {"type": "LaneDetector", "raw": "P7D", "every_s": 300, "kept": "P30D"}
    assert client.put("/api/retention", json={"rows": [rule], "by": "Li"}).status_code == 204
    assert served.city.commands[-1] == ("set_retention", [rule], "Li")
    spoiled = {"rows": [rule | {"kept": "30 days"}], "by": "Li"}
    assert client.put("/api/retention", json=spoiled).status_code == 422
