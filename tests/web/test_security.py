"""A foreign web site in the same browser can neither read nor command this city."""

import http.client
from urllib.parse import urlsplit

import httpx
import pytest
from tests.web.conftest import Served

from cityloop.web.security import MAX_BODY_BYTES

PAUSE = {"action": "pause"}


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "[::1", "localhost.", "", "0.0.0.0:8000"]
)
def test_a_request_to_another_host_name_is_turned_away(client: httpx.Client, host: str) -> None:
    answer = client.get("/api/summary", headers={"Host": host})
    assert answer.status_code == 421


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST:1"])
def test_every_loopback_name_is_this_server(client: httpx.Client, host: str) -> None:
    assert client.get("/api/summary", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "", "http://127.0.0.1:1"])
def test_a_command_from_another_origin_never_reaches_the_city(
    served: Served, client: httpx.Client, origin: str
) -> None:
    answer = client.post("/api/drive", json=PAUSE, headers={"Origin": origin})
    assert answer.status_code == 403
    assert served.city.commands == []


def test_a_command_must_name_its_origin(served: Served) -> None:
    assert httpx.post(f"{served.url}/api/drive", json=PAUSE).status_code == 403


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_what_a_form_can_send_is_no_command(
    served: Served, client: httpx.Client, kind: str
) -> None:
    content = b'{"action":"pause"}'
    answer = client.post("/api/drive", content=content, headers={"Content-Type": kind})
    assert answer.status_code == 415
    assert served.city.commands == []


def test_a_large_body_is_turned_away_unread(client: httpx.Client) -> None:
    body = {"action": "pause", "filler": "x" * MAX_BODY_BYTES}
    assert client.post("/api/drive", json=body).status_code == 413


def test_a_body_of_unknown_length_is_turned_away(served: Served) -> None:
    connection = http.client.HTTPConnection(urlsplit(served.url).netloc, timeout=10)
    headers = {"Origin": served.url, "Content-Type": "application/json"}
    headers["Transfer-Encoding"] = "chunked"
    connection.request("POST", "/api/drive", iter([b"{}"]), headers, encode_chunked=True)
    assert connection.getresponse().status == 411
    connection.close()


@pytest.mark.parametrize("path", ["/", "/api/state", "/metrics", "/nothing", "/../app.py"])
def test_every_answer_forbids_what_the_page_does_not_need(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in headers


def test_files_beside_the_page_stay_where_they_are(client: httpx.Client) -> None:
    assert client.get("/%2e%2e/%2e%2e/etc/passwd").status_code == 404
