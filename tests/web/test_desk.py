"""The operators' desk over HTTP: alarms handled, the shift log paged, the stream told."""

from typing import Any

import httpx
import pytest
from tests.web.conftest import Served
from tests.web.test_stream import read_events


def alarm(client: httpx.Client, kind: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = client.get("/api/alarms").json()
    (row,) = [row for row in rows if row["kind"] == kind]
    return row


def handle(client: httpx.Client, row: dict[str, Any], act: str, **body: object) -> httpx.Response:
    return client.post(f"/api/alarms/{row['id']}/{act}", json={"by": "Ana", **body})


def test_sensors_of_one_junction_are_one_alarm_with_a_count(client: httpx.Client) -> None:
    row = alarm(client, "sensor-silent")
    assert (row["count"], len(row["members"]), row["state"]) == (3, 3, "unacknowledged")


def test_an_alarm_is_acknowledged_once(client: httpx.Client) -> None:
    row = alarm(client, "sensor-silent")
    assert handle(client, row, "acknowledge").status_code == 204
    assert alarm(client, "sensor-silent")["acknowledged_by"] == "Ana"
    again = handle(client, row, "acknowledge")
    assert again.status_code == 409
    assert again.json()["why"][0]["code"] == "alarm_not_now"
    assert "it is acknowledged by Ana" in again.json()["detail"]


def test_a_shelf_has_a_reason_and_an_end(client: httpx.Client) -> None:
    row = alarm(client, "long-queue")
    assert handle(client, row, "shelve", minutes=30, reason=" ").status_code == 422
    assert handle(client, row, "shelve", minutes=30, reason="market day").status_code == 204
    shelved = alarm(client, "long-queue")
    assert (shelved["state"], shelved["shelve_reason"]) == ("shelved", "market day")
    assert shelved["shelved_until"] == "2027-01-15T08:30:00.000Z"
    assert handle(client, row, "unshelve").status_code == 204
    assert alarm(client, "long-queue")["state"] == "unacknowledged"


def test_who_was_called_is_told(client: httpx.Client) -> None:
    row = alarm(client, "process-down")
    assert handle(client, row, "escalate", to="duty officer").status_code == 204
    assert alarm(client, "process-down")["escalated_to"] == "duty officer"


def test_an_alarm_that_does_not_exist_cannot_be_handled(client: httpx.Client) -> None:
    assert handle(client, {"id": "urn:none"}, "acknowledge").status_code == 404


def test_the_shift_log_is_paged_by_number(client: httpx.Client) -> None:
    for text in ("one", "two", "three"):
        note = {"by": "Ana", "text": text}
        assert client.post("/api/shift-log", json=note).status_code == 204
    newest = client.get("/api/shift-log", params={"limit": 2}).json()
    assert [row["text"] for row in newest] == ["three", "two"]
    older = client.get("/api/shift-log", params={"limit": 2, "before": newest[-1]["number"]})
    assert [row["text"] for row in older.json()][:1] == ["one"]


def test_a_hand_over_counts_the_shift(client: httpx.Client) -> None:
    span = {"since": "2018-04-16T09:00:00+08:00", "until": "2018-04-16T23:00:00+08:00"}
    summary = client.get("/api/shift-log/summary", params=span).json()
    assert summary["raised"] == {"critical": 1, "medium": 2}
    assert (summary["busiest_10_min"], len(summary["open_alarms"])) == (3, 3)
    assert [row["by"] for row in summary["notes"]] == ["Li Wei"]


def test_a_shift_needs_times_with_a_zone(client: httpx.Client) -> None:
    span = {"since": "2018-04-16T09:00:00", "until": "2018-04-16T23:00:00"}
    assert client.get("/api/shift-log/summary", params=span).status_code == 422


def test_every_sensor_says_how_it_does(client: httpx.Client) -> None:
    rows = client.get("/api/sensors").json()
    assert {row["state"] for row in rows} == {"ok", "silent", "frozen", "absurd", "never"}
    assert [row["last_seen"] for row in rows if row["state"] == "never"] == [None]


@pytest.mark.parametrize("table", ["alarms", "shift-log", "sensors"])
def test_the_desk_can_be_taken_away(client: httpx.Client, table: str) -> None:
    answer = client.get(f"/api/export/{table}.csv")
    assert answer.status_code == 200
    assert len(answer.text.splitlines()) > 1


def test_the_stream_tells_what_happened_to_alarms(served: Served, client: httpx.Client) -> None:
    row = alarm(client, "sensor-silent")
    with client.stream("GET", "/api/stream", params={"after": ",1"}) as stream:
        events = read_events(stream.iter_lines())
        told = next(data for name, data in events if name == "alarms")
        assert [one["number"] for one in told] == [3, 2]
        assert handle(client, row, "acknowledge").status_code == 204
        told = next(data for name, data in events if name == "alarms")
        assert [(one["id"], one["state"]) for one in told] == [(row["id"], "acknowledged")]
