"""Figures in the text format of Prometheus, by prometheus-client: names, HELP, TYPE and escapes are
theirs; the global registry and its locks are not used."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from cityloop.city.metric_kinds import METRICS, MetricKind
from cityloop.kernel.figures import BOUNDS_S, Figure, Spread, Told

MEDIA = CONTENT_TYPE_LATEST
_BOUNDS = (*(f"{bound:g}" for bound in BOUNDS_S), "+Inf")


def metrics_text(told: Iterable[Told]) -> bytes:
    """What ``GET /metrics`` answers. Raises KeyError for a figure that is no declared metric."""
    return generate_latest(_Families(told))


class _Families(Collector):
    def __init__(self, told: Iterable[Told]) -> None:
        self._of: dict[str, list[Told]] = defaultdict(list)
        for one in told:
            self._of[one.name].append(one)

    def collect(self) -> Iterator[Metric]:
        for name in sorted(self._of):
            yield _family(METRICS[name], self._of[name])


def _family(kind: MetricKind, told: Sequence[Told]) -> Metric:
    if kind.form == "histogram":
        return _histogram(kind, told)
    make = CounterMetricFamily if kind.form == "counter" else GaugeMetricFamily
    family = make(kind.name, kind.text, labels=kind.labels)
    for one in told:
        if isinstance(one, Figure):
            family.add_metric(one.labels, one.value)
    return family


def _histogram(kind: MetricKind, told: Sequence[Told]) -> Metric:
    family = HistogramMetricFamily(kind.name, kind.text, labels=kind.labels)
    for one in told:
        if isinstance(one, Spread):
            family.add_metric(one.labels, list(_buckets(one)), one.sum_s)
    return family


def _buckets(spread: Spread) -> Iterator[tuple[str, float]]:
    """Prometheus counts what took at most so long, whatever the interval below."""
    total = 0
    for bound, count in zip(_BOUNDS, spread.counts, strict=True):
        total += count
        yield bound, total
