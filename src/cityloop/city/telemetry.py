"""OpenTelemetry traces of batches: gate, loop, guard, log, actuator and context, across processes.

A batch is known by (source, run, sequence) on every wire and in the log, so the ids of its trace
and of the spans that have others below them are made of that key: no process has to hand another
anything more, all come to the same verdict whether it is sampled (by the rule of the SDK's
``TraceIdRatioBased``), and even who folds the log much later adds to the right trace. Off, and then
free, unless ``OTEL_EXPORTER_OTLP_ENDPOINT`` names a receiver; spans leave in batches from a thread
of the SDK.
"""

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b
from importlib.util import find_spec
from typing import TYPE_CHECKING, cast

from cityloop.kernel.errors import ConfigError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.id_generator import IdGenerator
    from opentelemetry.trace import SpanContext

Key = tuple[str, str, int]
"""(source, run, sequence) of a batch."""
ROOT = "batch"
_ATTRIBUTES = "batch.source", "batch.run", "batch.sequence"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_RATIO = 0.01
_CLOSE_MS = 500


def is_wanted(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the environment asks for traces.

    Raises ConfigError where it does and cannot have them.
    """
    named = any(environment.get(name) for name in _ENDPOINTS)
    if not named or environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.sdk") is None:
        raise ConfigError(
            f"{_ENDPOINTS[0]} asks for traces, which need pip install 'cityloop[telemetry]'"
        )
    ratio(environment)
    return True


def ratio(environment: Mapping[str, str] = os.environ) -> float:
    """The share of batches that are traced, by the standard's variables; 0.01 where none is named.

    Raises ConfigError for what is no sampler of ours.
    """
    sampler = environment.get("OTEL_TRACES_SAMPLER", "traceidratio").removeprefix("parentbased_")
    given = environment.get("OTEL_TRACES_SAMPLER_ARG", "")
    if sampler in ("always_on", "always_off"):
        return float(sampler == "always_on")
    try:
        share = float(given) if given else _RATIO
    except ValueError:
        share = -1.0
    if sampler != "traceidratio" or not 0 <= share <= 1:
        raise ConfigError(
            f"OTEL_TRACES_SAMPLER={sampler} with OTEL_TRACES_SAMPLER_ARG={given}: "
            "write always_on, always_off, or traceidratio with a share from 0 to 1"
        )
    return share


def open_telemetry(process: str) -> "Telemetry | None":
    """The traces of this process; None where nobody asked for any."""
    return Telemetry(process, ratio()) if is_wanted() else None


class Telemetry:
    """Spans of sampled batches; from any thread. ``process``: its name, for ``service.name``."""

    def __init__(self, process: str, share: float) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self._below = round(share * 2**64)
        self._ids = _GivenIds()
        named = {"service.name": f"cityloop-{process}", "service.namespace": "cityloop"}
        self._provider: TracerProvider = TracerProvider(
            resource=Resource.create(named),
            id_generator=cast("IdGenerator", self._ids),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("cityloop")

    def samples(self, key: Key) -> bool:
        """Whether the batch is traced; the same in every process."""
        return trace_id(key) % 2**64 < self._below

    def span(
        self,
        key: Key,
        name: str,
        began_ns: int,
        ended_ns: int,
        *,
        known_as: str = "",
        below: str = ROOT,
    ) -> None:
        """What happened to a sampled batch from ``began_ns`` to ``ended_ns`` since 1970.

        ``known_as``: where spans of any process may be ``below`` this one; as ROOT it has none
        above it.
        """
        from opentelemetry import trace

        context = None
        if known_as != ROOT:
            parent = trace.NonRecordingSpan(_remote(key, below))
            context = trace.set_span_in_context(parent)
        told: dict[str, str | int] = dict(zip(_ATTRIBUTES, key, strict=True))
        with self._ids.giving(trace_id(key), span_id(key, known_as or f"{name} {began_ns}")):
            span = self._tracer.start_span(name, context, start_time=began_ns, attributes=told)
        span.end(ended_ns)

    def close(self) -> None:
        """Send what is left, but not for long: a receiver that is away holds up nobody's end."""
        self._provider.force_flush(_CLOSE_MS)


def _remote(key: Key, name: str) -> "SpanContext":
    from opentelemetry.trace import SpanContext, TraceFlags

    sampled = TraceFlags(TraceFlags.SAMPLED)
    return SpanContext(trace_id(key), span_id(key, name), is_remote=True, trace_flags=sampled)


def trace_id(key: Key) -> int:
    """128 bits that name the trace of a batch."""
    return int.from_bytes(_digest(key, "", 16)) or 1


def span_id(key: Key, name: str) -> int:
    """64 bits that name a span in it."""
    return int.from_bytes(_digest(key, name, 8)) or 1


def _digest(key: Key, name: str, size: int) -> bytes:
    return blake2b(repr((*key, name)).encode(), digest_size=size).digest()


@contextmanager
def during(
    telemetry: Telemetry | None, key: Key, name: str, *, known_as: str = ""
) -> Iterator[None]:
    """Trace what happens to a batch while this is entered, where it is sampled."""
    if telemetry is None or not telemetry.samples(key):
        yield
        return
    began_ns = time.time_ns()
    try:
        yield
    finally:
        telemetry.span(key, name, began_ns, time.time_ns(), known_as=known_as)


class _GivenIds:
    """The SDK's source of ids (``IdGenerator``): gives those that were set for the next span."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._trace = self._span = 0

    @contextmanager
    def giving(self, trace: int, span: int) -> Iterator[None]:
        """Give these while entered."""
        with self._lock:
            self._trace, self._span = trace, span
            yield

    def generate_trace_id(self) -> int:
        """Of a root span."""
        return self._trace

    def generate_span_id(self) -> int:
        """Of any span."""
        return self._span

    def is_trace_id_random(self) -> bool:
        """They are a hash, as even as chance."""
        return False
