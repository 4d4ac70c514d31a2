"""Notifications over TLS to subscribers whose certificates are of the city's own authority."""

import asyncio
import json
import ssl
from pathlib import Path

import pytest
from paho.mqtt import client as paho

from cityloop.city.notifier_process import NotifierProcess
from cityloop.interconnection.broker.contexts import CORE_TERMS
from cityloop.interconnection.broker.reach import EVERYWHERE
from cityloop.kernel.errors import ConfigError
from tests.broker.certificates import Files, made
from tests.broker.hearer import hearing
from tests.broker.scene import drive, running, subscription
from tests.perception.conftest import broker as mosquitto


def server_tls(files: Files) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)
    return context


def test_https_with_an_authority_of_our_own(tmp_path: Path) -> None:
    files = made(tmp_path)

    async def scene() -> None:
        async with (
            hearing(tls=server_tls(files)) as hearer,
            running(tmp_path / "broker", EVERYWHERE, files.ca) as broker,
        ):
            await broker.subscriptions.create(subscription(hearer), CORE_TERMS)
            await broker.write("urn:lamp:1", 1)
            await hearer.until(1)

    drive(scene())


def test_a_certificate_of_nobody_known_is_told_of(tmp_path: Path) -> None:
    files = made(tmp_path)

    async def scene() -> None:
        async with (
            hearing(tls=server_tls(files)) as hearer,
            running(tmp_path / "broker") as broker,
        ):
            id_ = await broker.subscriptions.create(subscription(hearer), CORE_TERMS)
            await broker.write("urn:lamp:1", 1)
            said = await broker.until_told(id_, "lastError")
            assert "is not trusted: unable to get local issuer certificate" in said
            assert "--ca FILE" in said
            assert not hearer.heard

    drive(scene())


def test_a_certificate_of_another_host_is_told_of(tmp_path: Path) -> None:
    files = made(tmp_path)

    async def scene() -> None:
        async with (
            hearing(tls=server_tls(files)) as hearer,
            running(tmp_path / "broker", EVERYWHERE, files.ca) as broker,
        ):
            body = subscription(hearer.url.replace("127.0.0.1", "localhost"))
            id_ = await broker.subscriptions.create(body, CORE_TERMS)
            await broker.write("urn:lamp:1", 1)
            said = await broker.until_told(id_, "lastError")
            assert "Hostname mismatch, certificate is not valid for 'localhost'" in said

    drive(scene())


def test_mqtts_with_an_authority_of_our_own(tmp_path: Path, free_port: int) -> None:
    files = made(tmp_path)
    lines = [f"certfile {files.certificate}", f"keyfile {files.key}"]

    async def scene() -> None:
        heard: asyncio.Queue[bytes] = asyncio.Queue()
        subscribed = asyncio.Event()
        loop = asyncio.get_running_loop()
        client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        client.tls_set(str(files.ca))
        client.on_message = lambda *given: loop.call_soon_threadsafe(
            heard.put_nowait, given[2].payload
        )
        client.on_subscribe = lambda *_: loop.call_soon_threadsafe(subscribed.set)
        client.connect("127.0.0.1", free_port)
        client.subscribe("city/lamps", 1)
        client.loop_start()
        await subscribed.wait()
        endpoint = {
            "uri": f"mqtts://127.0.0.1:{free_port}/city/lamps",
            "notifierInfo": [{"key": "MQTT-QoS", "value": "1"}],
        }
        async with running(tmp_path / "broker", EVERYWHERE, files.ca) as broker:
            body = subscription("", notification={"endpoint": endpoint})
            await broker.subscriptions.create(body, CORE_TERMS)
            await broker.write("urn:lamp:1", 1)
            message = json.loads(await heard.get())
        client.disconnect()
        client.loop_stop()
        assert message["body"]["data"][0]["id"] == "urn:lamp:1"

    with mosquitto(tmp_path, free_port, *lines):
        drive(scene())


def test_an_authority_that_cannot_be_read_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(ConfigError, match="no PEM file of certificates"):
        NotifierProcess(EVERYWHERE, tmp_path / "ca.pem")
