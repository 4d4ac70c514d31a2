"""HTTP push on a real server: answered after the commit, and no body does harm."""

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.perception.conftest import HeldIntake, setup_of
from tests.standards.arrow_payload import stream

from cityloop.perception.source import Secret
from cityloop.perception.sources.push import PushSettings
from cityloop.standards.arrow_rows import MEDIA_TYPE

Talk = Callable[[httpx.AsyncClient, HeldIntake], Awaitable[None]]


def pushed(port: int, folder: Path, talk: Talk, *, held: bool = False, **settings: Any) -> None:
    """Let ``talk`` speak with a source; its log commits at once, or when the test says so."""

    async def go() -> None:
        intake = HeldIntake()
        if not held:
            intake.commits.set()
        source = PushSettings(port=port, **settings).source(setup_of(folder))
        task = asyncio.create_task(source.run(intake))
        await intake.wait(lambda i: bool(i.states))
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
                await talk(client, intake)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    asyncio.run(go())


def flows(*names: str) -> bytes:
    entities = [{"id": name, "type": "TrafficFlowObserved", "intensity": 3} for name in names]
    return json.dumps(entities).encode()


def test_single_and_batch_are_taken_and_faults_are_told(free_port: int, tmp_path: Path) -> None:
    async def talk(client: httpx.AsyncClient, intake: HeldIntake) -> None:
        one = {"id": "a", "type": "TrafficFlowObserved", "intensity": 3, "colour": "red"}
        answer = (await client.post("/", json=one)).json()
        assert (answer["accepted"], answer["rejected"]) == (1, 1)
        assert answer["rejects"][0]["attribute"] == "colour"
        assert (await client.post("/", content=flows("b", "c"))).json()["accepted"] == 2
        assert intake.entities == ["a", "b", "c"]

    pushed(free_port, tmp_path, talk)


def test_an_arrow_stream_is_taken_once_and_its_faults_are_told(
    free_port: int, tmp_path: Path
) -> None:
    body = stream({"id": ["a", "b"], "intensity": [3.0, 4.0], "colour": ["red", "blue"]})

    async def talk(client: httpx.AsyncClient, intake: HeldIntake) -> None:
        headers = {"Content-Type": MEDIA_TYPE, "Idempotency-Key": "k1"}
        packed = {"Content-Encoding": "gzip", "Content-Type": MEDIA_TYPE}
        answers = [await client.post("/", content=body, headers=headers) for _ in range(2)]
        assert {(a.json()["accepted"], a.json()["rejected"]) for a in answers} == {(2, 1)}
        assert intake.entities == ["a", "b"]
        answer = await client.post("/", content=gzip.compress(body), headers=packed)
        assert answer.json()["accepted"] == 2

    pushed(free_port, tmp_path, talk)


def test_the_answer_comes_after_the_commit(free_port: int, tmp_path: Path) -> None:
    async def talk(client: httpx.AsyncClient, intake: HeldIntake) -> None:
        post = asyncio.create_task(client.post("/", content=flows("a")))
        await intake.wait(lambda i: i.entities == ["a"])
        done, _ = await asyncio.wait([post], timeout=0.3)
        assert not done
        intake.commits.set()
        assert (await post).status_code == HTTPStatus.OK

    pushed(free_port, tmp_path, talk, held=True)


def test_a_body_with_a_key_is_taken_once(free_port: int, tmp_path: Path) -> None:
    async def talk(client: httpx.AsyncClient, intake: HeldIntake) -> None:
        key = {"Idempotency-Key": "k1"}
        posts = [client.post("/", content=flows("a"), headers=key) for _ in range(3)]
        answers = await asyncio.gather(*posts)
        assert {answer.text for answer in answers} == {answers[0].text}
        assert intake.entities == ["a"]
        other = await client.post("/", content=flows("b"), headers=key)
        assert other.status_code == HTTPStatus.UNPROCESSABLE_ENTITY

    pushed(free_port, tmp_path, talk)


@pytest.mark.parametrize(
    ("body", "headers", "status", "detail"),
    [
        (b"x" * 20_000, {}, 413, "larger than 10000 bytes"),
        (gzip.compress(bytes(50_000_000)), {"Content-Encoding": "gzip"}, 413, "larger than 10000"),
        (b"not packed", {"Content-Encoding": "gzip"}, 400, "cannot be unpacked"),
        (gzip.compress(b"[]" * 999)[:-9], {"Content-Encoding": "gzip"}, 400, "cut"),
        (b"[]", {"Content-Encoding": "br"}, 415, "packed in a way"),
        (b"[]", {"Content-Type": MEDIA_TYPE}, 415, "no Arrow stream"),
        (stream({"id": ["a"], "laneId": [1]}), {}, 415, f"Send Content-Type: {MEDIA_TYPE}"),
        (b"\xff" * 40, {"Content-Type": MEDIA_TYPE}, 400, "malformed: no Arrow stream"),
        (stream({"id": ["a"]}), {"Content-Type": MEDIA_TYPE}, 422, "[]"),
        (b'{"id": "\xff"}', {}, 400, "invalid UTF-8 at byte 8"),
        (b'{"id": ', {}, 400, "truncated"),
        (b"", {}, 400, "malformed"),
        (b'{"id": "a", "type": "Ship", "sails": 3}', {}, 422, "undeclared type"),
        (b'{"id": "a", "type": "Streetlight"}', {}, 422, "observes nothing"),
    ],
)
def test_what_cannot_be_taken_is_answered_with_its_reason(
    free_port: int, tmp_path: Path, body: bytes, headers: dict[str, str], status: int, detail: str
) -> None:
    async def talk(client: httpx.AsyncClient, intake: HeldIntake) -> None:
        answer = await client.post("/", content=body, headers=headers)
        assert answer.status_code == status
        assert detail in answer.text
        assert (await client.post("/", content=flows("a"))).status_code == HTTPStatus.OK

    pushed(free_port, tmp_path, talk, max_bytes=10_000)


def test_a_hundred_megabytes_are_refused_before_they_are_sent(
    free_port: int, tmp_path: Path
) -> None:
    async def talk(client: httpx.AsyncClient, intake: HeldIntake) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", free_port)
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n")
        assert b" 413 " in await reader.readline()
        writer.close()
        await writer.wait_closed()

    pushed(free_port, tmp_path, talk)


def test_only_who_has_the_token_may_post(free_port: int, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("open sesame\n")

    async def talk(client: httpx.AsyncClient, intake: HeldIntake) -> None:
        for wrong in ({}, {"Authorization": "Bearer guess"}):
            answer = await client.post("/", content=flows("a"), headers=wrong)
            assert answer.status_code == HTTPStatus.UNAUTHORIZED
            assert "open sesame" not in answer.text
        right = {"Authorization": "Bearer open sesame"}
        assert (await client.post("/", content=flows("a"), headers=right)).is_success

    pushed(free_port, tmp_path, talk, token=Secret(file="token"))


def test_a_door_to_elsewhere_needs_a_token() -> None:
    told = list(PushSettings(port=1, host="0.0.0.0").mistakes())
    assert told[0][0] == ("host",)
