"""The loops over HTTP."""

import httpx
import pytest
from tests.web.conftest import Served

LOOP = "mobility/signal_timing"


def test_the_loops_are_told_with_their_versions(client: httpx.Client) -> None:
    (row,) = client.get("/api/loops").json()
    assert (row["name"], row["version"], row["versions"]) == (LOOP, "2", ["2", "1"])
    assert [group["name"] for group in row["groups"]] == ["west", "east"]


def test_a_version_is_changed_by_somebody_for_a_reason(
    served: Served, client: httpx.Client
) -> None:
    body = {"version": "1", "reason": "too many stops", "by": "Li"}
    assert client.post(f"/api/loops/{LOOP}/version", json=body).status_code == 204
    assert served.city.commands[-1] == ("set_version", LOOP, "1", "too many stops", "Li")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"version": "1", "reason": "", "by": "Li"}, 422),
        ({"version": "1", "reason": "why not"}, 422),
        ({"version": "7", "reason": "why not", "by": "Li"}, 409),
    ],
)
def test_a_change_without_reason_name_or_version_is_refused(
    client: httpx.Client, body: dict[str, str], status: int
) -> None:
    assert client.post(f"/api/loops/{LOOP}/version", json=body).status_code == status
