"""The city as the hub shows it to its readers: what is seen now, and the hub's own figures."""

import time
from collections.abc import Callable

from cityloop.city.hub import Hub
from cityloop.city.meter import Meter
from cityloop.city.surface import Counters, JunctionState, Shown
from cityloop.city.totals import mode_name
from cityloop.kernel.clock import iso


class HubPicture:
    """Draws the newest state of ``hub``; ``rejected``: how many rejects are kept so far.

    ``latency``, ``act``: from a batch's coming to its orders, and to their record.
    """

    def __init__(self, hub: Hub, rejected: Callable[[], int]) -> None:
        self._hub = hub
        self._rejected = rejected
        self.latency, self.act = Meter(), Meter()
        self._observed = (time.monotonic(), hub.totals.observations, 0.0)

    def drawn(self, now: float) -> Shown:
        """The state at wall time ``now``, s."""
        hub = self._hub
        signals, lanes = hub.latest.get("SignalController"), hub.latest.get("LaneDetector")
        columns = (
            [signals[a].tolist() for a in ("phase", "stage", "stageAge", "inCharge")]
            if signals
            else []
        )
        return Shown(
            iso(hub.now) if hub.now else None,
            hub.run,
            [JunctionState(*row) for row in zip(*columns, strict=True)],
            lanes["vehicleCount"].tolist() if lanes else [],
            lanes["queueLength"].tolist() if lanes else [],
            self._counters(now),
            {
                loop: {group: mode_name(mode) for group, mode in groups.items()}
                for loop, groups in hub.modes.names().items()
            },
        )

    def _counters(self, now: float) -> Counters:
        totals = self._hub.totals
        then, before, rate = self._observed
        if now - then >= 1.0:
            rate = (totals.observations - before) / (now - then)
            self._observed = now, totals.observations, rate
        return Counters(
            observations_total=totals.observations,
            rejected_total=self._rejected(),
            decisions_total=totals.decisions,
            refused_total=totals.refused,
            fallbacks_total=totals.fallbacks,
            observations_per_s=round(rate, 1),
            loop_latency_p50_ms=self.latency.percentile(50),
            loop_latency_p99_ms=self.latency.percentile(99),
            act_latency_p99_ms=self.act.percentile(99),
        )
