"""What the hub tells of itself once a second of wall time; a tick does no more than count."""

from collections import deque
from collections.abc import Callable, Collection, Iterator
from itertools import islice

from cityloop.city.hub import Hub
from cityloop.city.hub_picture import HubPicture
from cityloop.city.intake_desk import MOST_UNDER_WAY, IntakeDesk
from cityloop.city.metrics import TOPIC, queue
from cityloop.city.readings import MOST_WAITING, Reading
from cityloop.city.wire import Told
from cityloop.interconnection.tenant import Tenant
from cityloop.interconnection.writer import LogWriter
from cityloop.kernel import figures
from cityloop.kernel.clock import CityTime
from cityloop.kernel.figures import Figure, write_told
from cityloop.kernel.ports import Position

_EVERY_S = 1.0
_MOST_REASONS = 100
_SPEED_OVER = 10


class HubMetrics:
    """Gathers what the parts of the hub have counted. ``kept``: the newest checkpoint's position;
    ``readings``: the lines to readers."""

    def __init__(
        self,
        hub: Hub,
        tenant: Tenant,
        writer: LogWriter,
        picture: HubPicture,
        intake: IntakeDesk,
        kept: Callable[[], Position],
        readings: Callable[[], Collection[Reading]],
    ) -> None:
        self._hub = hub
        self._tenant = tenant
        self._writer = writer
        self._picture = picture
        self._intake = intake
        self._kept = kept
        self._readings = readings
        self._next = 0.0
        self._pace: deque[tuple[float, CityTime, str]] = deque(maxlen=_SPEED_OVER)

    def news(self, now: float) -> list[Told]:
        """What readers are to be told at ``now`` (s, monotonic)."""
        if now < self._next:
            return []
        self._next = now + _EVERY_S
        self._pace.append((now, self._hub.now, self._hub.run))
        return [Told(TOPIC, write_told(list(self._figures())))]

    def _figures(self) -> Iterator[figures.Told]:
        yield from self._done()
        yield from self._rejected()
        yield from self._log()
        yield from self._queues()
        yield from self._hub.loops.figures()
        yield self._picture.latency.all.spread("cityloop_tick_seconds")
        yield self._picture.act.all.spread("cityloop_act_seconds")

    def _done(self) -> Iterator[Figure]:
        totals = self._hub.totals
        yield Figure("cityloop_observations_total", totals.observations)
        yield Figure("cityloop_decisions_total", totals.decisions)
        yield Figure("cityloop_decisions_refused_total", totals.refused)
        yield Figure("cityloop_fallbacks_total", totals.fallbacks)
        first, last = self._pace[0], self._pace[-1]
        if last[0] > first[0] and first[2] == last[2]:
            passed_s = (last[1] - first[1]) / 1000
            yield Figure("cityloop_city_speed_ratio", passed_s / (last[0] - first[0]))

    def _rejected(self) -> Iterator[Figure]:
        """The most frequent reasons by name, the rest of each source together."""
        counts = sorted(self._tenant.rejects.counts().items(), key=lambda it: -it[1])
        rest: dict[str, int] = {}
        for (source, reason), count in islice(counts, _MOST_REASONS):
            yield Figure("cityloop_rejected_total", count, (source, reason))
        for (source, _), count in counts[_MOST_REASONS:]:
            rest[source] = rest.get(source, 0) + count
        for source, count in rest.items():
            yield Figure("cityloop_rejected_total", count, (source, "other"))

    def _log(self) -> Iterator[figures.Told]:
        writer, position = self._writer, self._writer.position
        yield Figure("cityloop_log_position", position)
        yield Figure("cityloop_log_failing", int(bool(writer.state().failing)))
        yield Figure("cityloop_commits_total", writer.commits.count)
        yield writer.commits.spread("cityloop_commit_seconds")
        yield writer.appends.spread("cityloop_append_seconds")
        yield self._tenant.log.fsync.spread("cityloop_fsync_seconds")
        yield Figure("cityloop_fold_position", self._kept(), ("checkpoint",))

    def _queues(self) -> Iterator[Figure]:
        log, rejects = self._writer.state(), self._tenant.rejects
        yield from queue("log", log.depth, self._writer.max_waiting, self._writer.refused)
        yield Figure("cityloop_queue_age_seconds", log.age_s, ("log",))
        yield from queue("rejects", rejects.waiting, rejects.max_waiting, rejects.unkept)
        deepest = max((reading.waiting for reading in self._readings()), default=0)
        yield from queue("readers", deepest, MOST_WAITING)
        yield from queue("intake_under_way", self._intake.under_way, MOST_UNDER_WAY)
