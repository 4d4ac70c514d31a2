"""Polled feeds against a real HTTP server: polite to it, safe from it, and nothing said twice."""

import asyncio
import gzip
import json
from collections.abc import Iterator
from random import Random
from typing import Any

import msgspec
import pytest
from tests.perception.inlet import HandWall, Inlet
from tests.perception.web_server import Site, body, in_turn, serving, unless_known
from tests.standards.payloads import GBFS_STATUS, NOW, SENSORTHINGS

from cityloop.perception.backoff import Backoff
from cityloop.perception.source import Setup
from cityloop.perception.sources.fetch import Fetcher, FetchError, Limits
from cityloop.perception.sources.poll import Poll, PollSettings
from cityloop.standards.attributes import declared

WALL = HandWall(NOW)


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as found:
        yield found


def _status(reported: int, bikes: int) -> bytes:
    document: Any = json.loads(json.dumps(GBFS_STATUS))
    document["data"]["stations"][0] |= {"last_reported": reported, "num_bikes_available": bikes}
    return json.dumps(document).encode()


def _poll(site: Site, format_: str = "gbfs", path: str = "/feed", **more: object) -> Poll:
    settings = msgspec.convert(
        {"kind": "poll", "url": site.url + path, "format": format_, **more}, PollSettings
    )
    limits = Limits(settings.timeout_s, round(settings.most_mb * 1e6))
    return Poll(settings, Fetcher(settings.url, limits, WALL), WALL, random=Random(1))


def _polls(poll: Poll, times: int = 1) -> tuple[Inlet, list[float]]:
    """What came of so many polls, and the pauses after them."""

    async def run() -> tuple[Inlet, list[float]]:
        inlet = Inlet()
        pauses = [await poll.poll(inlet) for _ in range(times)]
        await poll._fetcher.close()
        return inlet, pauses

    return asyncio.run(run())


def test_a_feed_is_delivered_and_the_next_poll_is_due_about_a_period_later(site: Site) -> None:
    site.answers["/feed"] = body(_status(NOW // 1000, 7))
    inlet, (pause,) = _polls(_poll(site, every_s=60))
    station = "urn:ngsi-ld:BikeHireDockingStation:central"
    assert (station, NOW, "availableBikeNumber", 7) in inlet.said
    assert inlet.states == [("ok", "")]
    assert 54 <= pause <= 66


def test_an_unchanged_feed_is_not_sent_again(site: Site) -> None:
    site.answers["/feed"] = unless_known(_status(NOW // 1000, 7), '"v1"')
    inlet, _ = _polls(_poll(site), 2)
    assert len(inlet.kept) == 1
    assert site.seen[1][1]["if-none-match"] == '"v1"'


def test_what_a_feed_repeats_is_not_delivered_again(site: Site) -> None:
    site.answers["/feed"] = body(_status(NOW // 1000, 7))
    inlet, _ = _polls(_poll(site), 3)
    assert len(inlet.kept) == 1


def test_what_a_feed_adds_is_delivered(site: Site) -> None:
    editions = _status(NOW // 1000, 7), _status(NOW // 1000 + 5, 6)
    site.answers["/feed"] = in_turn(*map(body, editions))
    inlet, _ = _polls(_poll(site), 2)
    assert [value for *_, name, value in inlet.said if name == "availableBikeNumber"] == [7, 6]


def test_an_undelivered_edition_is_asked_for_again(site: Site) -> None:
    site.answers["/feed"] = unless_known(_status(NOW // 1000, 7), '"v1"')
    poll = _poll(site)

    async def run() -> Inlet:
        stopped = Inlet(busy=1_000_000)
        task = asyncio.create_task(poll.poll(stopped))
        await stopped.told("waiting")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        inlet = Inlet()
        await poll.poll(inlet)
        await poll._fetcher.close()
        return inlet

    assert asyncio.run(run()).said
    assert "if-none-match" not in site.seen[1][1]


def test_pauses_grow_while_a_feed_fails_and_shrink_when_it_is_back(site: Site) -> None:
    site.answers["/feed"] = in_turn(*[body(b"", 503)] * 4, body(_status(NOW // 1000, 7)))
    inlet, pauses = _polls(_poll(site, every_s=10), 5)
    assert inlet.states[0] == ("failing", "HTTP 503 Service Unavailable")
    assert [5 * 2**n <= pause <= 10 * 2**n for n, pause in enumerate(pauses[:4])] == [True] * 4
    assert pauses[4] <= 11


def test_a_feed_that_asks_for_time_gets_it(site: Site) -> None:
    site.answers["/feed"] = body(b"", 429, Retry_After="900")
    _, (pause,) = _polls(_poll(site, every_s=10))
    assert pause == 900


def test_a_date_in_retry_after_is_understood(site: Site) -> None:
    site.answers["/feed"] = body(b"", 503, Retry_After="Mon, 04 May 2026 12:40:00 GMT")
    _, (pause,) = _polls(_poll(site, every_s=10))
    assert pause == 600


def test_a_gzip_bomb_is_cut_and_kept_as_a_reject(site: Site) -> None:
    bomb = gzip.compress(bytes(30_000_000))
    site.answers["/feed"] = body(bomb, Content_Encoding="gzip")
    inlet, _ = _polls(_poll(site, most_mb=2))
    assert inlet.reasons == ["it unpacks to more than 2000000 bytes"]
    assert inlet.states[0][0] == "failing"


def test_a_gzipped_feed_is_unpacked(site: Site) -> None:
    site.answers["/feed"] = body(gzip.compress(_status(NOW // 1000, 7)), Content_Encoding="gzip")
    assert _polls(_poll(site))[0].said


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"Content_Encoding": "br"}, "content encoding br was not asked for"),
        ({"Content_Encoding": "gzip"}, "it cannot be unpacked"),
        ({"Content_Length": "99000000"}, "99000000 bytes are more than 50000000"),
    ],
)
def test_a_body_that_is_not_what_it_says_is_refused(
    site: Site, told: dict[str, str], why: str
) -> None:
    site.answers["/feed"] = body(b"nonsense", **told)
    inlet, _ = _polls(_poll(site))
    assert why in inlet.reasons[0]


def test_what_cannot_be_read_is_kept_as_a_reject_with_its_place(site: Site) -> None:
    site.answers["/feed"] = body(b'{"last_updated": 1,')
    inlet, _ = _polls(_poll(site))
    assert inlet.reasons == ["not JSON: Input data was truncated"]


@pytest.mark.parametrize(
    "target", ["http://169.254.169.254/latest/meta-data", "http://127.0.0.1:1/x", "file:///etc"]
)
def test_a_feed_cannot_send_us_to_another_host(site: Site, target: str) -> None:
    site.answers["/feed"] = body(b"", 302, Location=target)
    inlet, _ = _polls(_poll(site))
    assert "refused" in inlet.states[0][1]
    assert not inlet.kept


def test_a_redirect_on_the_same_host_is_followed(site: Site) -> None:
    site.answers["/feed"] = body(b"", 301, Location="/moved")
    site.answers["/moved"] = body(_status(NOW // 1000, 7))
    assert _polls(_poll(site))[0].said


def test_redirects_without_end_are_given_up(site: Site) -> None:
    site.answers["/feed"] = body(b"", 302, Location="/feed")
    inlet, _ = _polls(_poll(site))
    assert inlet.states == [("failing", "more than 3 redirects")]
    assert len(site.seen) == 4


def test_a_server_that_does_not_answer_is_given_up(site: Site, free_port: int) -> None:
    async def run() -> None:
        left = asyncio.Event()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()
            await writer.wait_closed()
            left.set()

        server = await asyncio.start_server(silent, "127.0.0.1", free_port)
        fetcher = Fetcher(f"http://127.0.0.1:{free_port}/", Limits(timeout_s=0.2), WALL)
        with pytest.raises(FetchError, match=r"no answer within 0\.2 s"):
            await fetcher.fetch()
        await fetcher.close()
        await left.wait()
        server.close()
        await server.wait_closed()

    asyncio.run(run())


def test_nobody_there_is_told(free_port: int) -> None:
    inlet, _ = _polls(_poll(Site(url=f"http://127.0.0.1:{free_port}")))
    assert inlet.states[0][0] == "failing"
    assert "ConnectError" in inlet.states[0][1]


def test_all_pages_of_a_sensorthings_server_are_read(site: Site) -> None:
    item: Any = SENSORTHINGS["value"][0]
    second = item | {"phenomenonTime": "2026-05-04T12:10:00Z"}
    link = {"@iot.nextLink": f"{site.url}/feed?$skip=1"}
    site.answers["/feed"] = body(json.dumps({"value": [item], **link}).encode())
    site.answers["/feed?$skip=1"] = body(json.dumps({"value": [second]}).encode())
    poll = _poll(site, "sensorthings", properties={"PM2.5": "AirQualityObserved.pm25"})
    inlet, _ = _polls(poll, 2)
    assert [(NOW - at) // 60_000 for _, at, _, _ in inlet.said] == [30, 20]


def test_a_secret_goes_into_its_header_and_not_into_the_settings(site: Site, tmp_path: Any) -> None:
    (tmp_path / "key.txt").write_text("s3cret\n")
    site.answers["/feed"] = body(_status(NOW // 1000, 7))
    settings = PollSettings(
        url=f"{site.url}/feed",
        format="gbfs",
        header="X-API-Key",
        secret=msgspec.convert({"file": "key.txt"}, PollSettings.__annotations__["secret"]),
    )
    poll = settings.source(Setup("bikes", tmp_path, declared(), WALL))
    _polls(poll)
    assert site.seen[0][1]["x-api-key"] == "s3cret"
    assert "s3cret" not in repr(settings)


def test_every_mistake_of_the_settings_is_told() -> None:
    settings = msgspec.convert(
        {
            "kind": "poll",
            "url": "http://x/y",
            "format": "csv",
            "header": "X-Key",
            "table": {"type": "Wether"},
        },
        PollSettings,
    )
    assert [what for _, what, _ in settings.mistakes()] == [
        "header and secret belong together",
        "type Wether is not declared",
    ]


def test_the_pause_has_a_limit_and_a_success_starts_it_anew() -> None:
    backoff = Backoff(1.0, 60.0, Random(1))
    assert max(backoff.next_s() for _ in range(100)) <= 60
    backoff.reset()
    assert backoff.next_s() <= 1
