"""@contexts as a broker keeps them: hosted, offline, fetched with care, found again."""

import asyncio
import json
from pathlib import Path

import pytest

from cityloop.interconnection.broker.context_book import ContextBook
from cityloop.interconnection.broker.context_fetch import Fetcher
from cityloop.interconnection.broker.contexts import Contexts
from cityloop.interconnection.broker.offline import read_offline
from cityloop.interconnection.broker.sqlite_tables import sqlite_contexts
from cityloop.standards.cim.problems import Problem

SPEED = {"@context": {"speed": "https://x.org/speed"}}
URL = "https://example.org/context.jsonld"


def opened(folder: Path, offline: dict[str, object] | None = None) -> Contexts:
    return Contexts(ContextBook(sqlite_contexts(folder / "contexts.db")), offline or {}, None)


def kind_of(contexts: Contexts, context: object) -> str:
    with pytest.raises(Problem) as caught:
        asyncio.run(contexts.terms(context))
    return caught.value.kind


def test_a_hosted_context_is_there_after_a_restart(tmp_path: Path) -> None:
    hosted = asyncio.run(opened(tmp_path).add(SPEED, ""))
    again = opened(tmp_path)
    terms = asyncio.run(again.terms(f"http://localhost/ngsi-ld/v1/jsonldContexts/{hosted.id}"))
    assert terms.expand("speed") == "https://x.org/speed"


def test_a_hosted_context_is_not_seen_by_another_tenant(tmp_path: Path) -> None:
    contexts = opened(tmp_path)
    hosted = asyncio.run(contexts.add(SPEED, "a"))
    assert contexts.list_all("b") == []
    with pytest.raises(Problem, match="keeps no @context"):
        contexts.get(hosted.id, "b")


def test_a_directory_holds_documents_at_their_urls(tmp_path: Path) -> None:
    file = tmp_path / "example.org" / "context.jsonld"
    file.parent.mkdir()
    file.write_text(json.dumps(SPEED))
    contexts = opened(tmp_path, read_offline(tmp_path))
    assert asyncio.run(contexts.terms([URL])).expand("speed") == "https://x.org/speed"


def test_a_context_that_is_not_at_hand_is_not_available(tmp_path: Path) -> None:
    assert kind_of(opened(tmp_path), URL) == "LdContextNotAvailable"


def test_a_context_that_includes_itself_is_not_available(tmp_path: Path) -> None:
    assert kind_of(opened(tmp_path, {URL: {"@context": [URL]}}), URL) == "LdContextNotAvailable"


def test_a_document_without_a_context_is_bad_request_data(tmp_path: Path) -> None:
    assert kind_of(opened(tmp_path, {URL: {"note": "none here"}}), URL) == "BadRequestData"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/c.jsonld",
        "http://[::1]:1/c.jsonld",
        "http://169.254.169.254/latest/meta-data",
        "http://localhost:1/c.jsonld",
        "http://0.0.0.0:1/c.jsonld",
        "file:///etc/passwd",
    ],
)
def test_no_client_leads_the_broker_into_a_private_network(url: str) -> None:
    with pytest.raises(Problem) as caught:
        asyncio.run(Fetcher().fetch(url))
    assert caught.value.kind == "LdContextNotAvailable"
    assert "private" in caught.value.detail or "only http" in caught.value.detail
