"""Traces of a real city, as a real receiver of OTLP over HTTP gets them."""

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased
from tests.faults.running import running, until
from tests.faults.town import LAMP, build_real_town, open_door, push, wait_open

from cityloop.city.telemetry import Telemetry, is_wanted, ratio, trace_id
from cityloop.kernel.errors import ConfigError


class Seen(NamedTuple):
    """A span as it arrived."""

    service: str
    name: str
    id: bytes
    parent: bytes
    took_ns: int


class Receiver:
    """What was received: trace id → spans."""

    def __init__(self) -> None:
        self.traces: dict[bytes, list[Seen]] = defaultdict(list)

    def take(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            named = {a.key: a.value.string_value for a in resource.resource.attributes}
            for scope in resource.scope_spans:
                for s in scope.spans:
                    took = s.end_time_unix_nano - s.start_time_unix_nano
                    seen = Seen(named["service.name"], s.name, s.span_id, s.parent_span_id, took)
                    self.traces[s.trace_id].append(seen)

    def whole(self, *names: str) -> list[Seen] | None:
        """A trace in which all these have come."""
        found = (
            spans for spans in list(self.traces.values()) if {*names} <= {s.name for s in spans}
        )
        return next(found, None)


@contextmanager
def receiving() -> Iterator[tuple[Receiver, str]]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield receiver, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def asking(url: str) -> dict[str, str]:
    """What has a city send all its traces there, soon."""
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        "OTEL_TRACES_SAMPLER_ARG": "1",
        "OTEL_BSP_SCHEDULE_DELAY": "500",
    }


@pytest.mark.slow
def test_one_trace_goes_from_the_twin_by_gate_loop_guard_and_log_to_the_actuator_and_the_context(
    tmp_path: Path, free_port: int
) -> None:
    stages = "exchange", "turn", "gate", "guard", "log", "actuator", "context"
    with (
        receiving() as (receiver, url),
        running(tmp_path, free_port, "--speed", "5", environment=asking(url)),
    ):
        spans = until("a whole trace", lambda: receiver.whole(*stages))
    services = {span.service for span in spans}
    assert {"cityloop-twin", "cityloop-hub", "cityloop-worker"} <= services
    assert {"analyse mobility/signal_timing", "respond mobility/signal_timing"} <= {
        span.name for span in spans
    }
    ids = {span.id for span in spans}
    (root,) = [span for span in spans if not span.parent]
    assert root.name == "exchange"
    assert all(span.parent in ids for span in spans if span is not root)
    assert len(ids) == len(spans)
    assert all(span.took_ns >= 0 for span in spans)


@pytest.mark.slow
def test_what_a_source_delivers_is_traced_from_the_intake_to_the_log(
    tmp_path: Path, free_port: int, unused_port: int
) -> None:
    town = build_real_town(tmp_path / "town", LAMP)
    open_door(town, unused_port)
    with (
        receiving() as (receiver, url),
        running(tmp_path / "data", free_port, city=town, environment=asking(url)) as city,
    ):
        wait_open(city)
        lamp = {"lamp": 1, "level": 0.3, "at": datetime.now(UTC).isoformat()}
        assert push(city, unused_port, lamp).is_success
        spans = until("a whole trace", lambda: receiver.whole("deliver", "gate", "log"))
    (root,) = [span for span in spans if not span.parent]
    assert (root.name, root.service) == ("deliver", "cityloop-intake")
    below = [span for span in spans if span is not root]
    assert {span.service for span in below} <= {"cityloop-hub", "cityloop-worker"}
    assert {span.parent for span in below} == {root.id}


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_batches_are_sampled_by_the_rule_of_the_sdk(share: float) -> None:
    telemetry, sampler = Telemetry("test", share), TraceIdRatioBased(share)
    for sequence in range(200):
        key = "twin", "2018-04-16-1", sequence
        chosen = sampler.should_sample(None, trace_id(key), "x").decision
        assert telemetry.samples(key) == (chosen == Decision.RECORD_AND_SAMPLE)


def test_nobody_is_sent_anything_unless_an_endpoint_is_named() -> None:
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}
    assert not is_wanted({})
    assert is_wanted(endpoint)
    assert not is_wanted(endpoint | {"OTEL_SDK_DISABLED": "true"})


def test_the_share_of_traced_batches_is_said_by_the_standard_s_variables() -> None:
    assert ratio({}) == 0.01
    assert ratio({"OTEL_TRACES_SAMPLER": "parentbased_always_on"}) == 1
    named = {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.5"}
    assert ratio(named) == 0.5
    with pytest.raises(ConfigError, match="a share from 0 to 1"):
        ratio({"OTEL_TRACES_SAMPLER_ARG": "often"})
