"""Kinds of metrics as data: what `/metrics` shows, named by the conventions of Prometheus.

Every label is bounded: processes, folds, queues and stages are ours, sources and loops are declared
in the settings, and of reasons for which something was rejected the most frequent are named alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Form = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class MetricKind:
    """One metric. ``text``: what it is, for its HELP line and the manual. ``where``: who serves it,
    a running city alone, or a context broker of its own, too."""

    name: str
    form: Form
    text: str
    labels: tuple[str, ...] = ()
    where: Literal["city", "broker"] = "city"


_KINDS = (
    MetricKind("cityloop_build_info", "gauge", "1; which version answers.", ("version",), "broker"),
    # what the city does
    MetricKind("cityloop_observations_total", "counter", "Observations committed."),
    MetricKind("cityloop_decisions_total", "counter", "Decisions recorded."),
    MetricKind(
        "cityloop_decisions_refused_total", "counter", "Decisions that guard or cabinet refused."
    ),
    MetricKind("cityloop_fallbacks_total", "counter", "Times a junction fell to its local plan."),
    MetricKind(
        "cityloop_rejected_total",
        "counter",
        "Observations that a gate rejected; beyond 100 pairs the reason is other.",
        ("source", "reason"),
    ),
    MetricKind("cityloop_alarms", "gauge", "Open alarms.", ("severity",)),
    MetricKind("cityloop_vehicles", "gauge", "Vehicles in the network of the loop's twin."),
    MetricKind(
        "cityloop_city_speed_ratio", "gauge", "City seconds that pass in a second, measured."
    ),
    MetricKind(
        "cityloop_wanted_speed_ratio", "gauge", "The same as asked for; 0: as fast as it goes."
    ),
    MetricKind("cityloop_paused", "gauge", "1 while a person has paused the twins."),
    # sources
    MetricKind("cityloop_source_up", "gauge", "1 while a source is ok.", ("source", "kind")),
    MetricKind("cityloop_source_rows_total", "counter", "Rows accepted of a source.", ("source",)),
    MetricKind(
        "cityloop_source_dropped_total",
        "counter",
        "Messages lost before they reached the intake, since that started.",
        ("source",),
    ),
    MetricKind(
        "cityloop_source_lag_seconds",
        "gauge",
        "From observation to arrival, of the newest.",
        ("source",),
    ),
    # how long things take
    MetricKind(
        "cityloop_tick_seconds", "histogram", "From a batch's coming to the orders it leads to."
    ),
    MetricKind(
        "cityloop_act_seconds",
        "histogram",
        "From a batch's coming to the record of its decisions, after which a real order leaves.",
    ),
    MetricKind(
        "cityloop_loop_tick_seconds", "histogram", "One tick of a loop, guard and all.", ("loop",)
    ),
    MetricKind(
        "cityloop_loop_failures_total",
        "counter",
        "Ticks of a loop that failed, of its present version since the hub started.",
        ("loop",),
    ),
    MetricKind("cityloop_commit_seconds", "histogram", "From the gate to durable, of a batch."),
    MetricKind("cityloop_append_seconds", "histogram", "One append to the log, of some batches."),
    MetricKind(
        "cityloop_fsync_seconds",
        "histogram",
        "Of an append, the end: the fsync of the log, or the store's COMMIT.",
    ),
    MetricKind("cityloop_commits_total", "counter", "Batches committed since the hub started."),
    # the tracer
    MetricKind(
        "cityloop_trace_seconds", "histogram", "From a trace's sending to its outcome's record."
    ),
    MetricKind(
        "cityloop_trace_last_seconds", "gauge", "The same of the newest trace that came back."
    ),
    MetricKind(
        "cityloop_trace_stage_seconds",
        "gauge",
        "Of the newest trace that came back, from its sending to each stage.",
        ("stage",),
    ),
    MetricKind(
        "cityloop_traces_total",
        "counter",
        "Traces that came back, and those that did not in time, since the web started.",
        ("outcome",),
    ),
    # the log and its folds
    MetricKind("cityloop_log_position", "gauge", "The log's newest position."),
    MetricKind(
        "cityloop_log_failing", "gauge", "1 while nothing can be recorded (disk full, store away)."
    ),
    MetricKind(
        "cityloop_fold_position", "gauge", "The log position that a fold has reached.", ("fold",)
    ),
    MetricKind(
        "cityloop_fold_lag_positions",
        "gauge",
        "Positions of the log that a fold is behind.",
        ("fold",),
        "broker",
    ),
    MetricKind(
        "cityloop_fold_lag_seconds",
        "gauge",
        "Since when the log holds what a fold has not taken in yet.",
        ("fold",),
    ),
    MetricKind("cityloop_bus_up", "gauge", "1 while the bus follows the log."),
    MetricKind(
        "cityloop_bus_messages_total", "counter", "Messages sent since the bus's process started."
    ),
    MetricKind("cityloop_bus_sent_bytes_total", "counter", "The bytes of their bodies."),
    MetricKind("cityloop_disk_free_bytes", "gauge", "Free where the city's data lies."),
    MetricKind("cityloop_disk_size_bytes", "gauge", "Size of that file system."),
    # queues: bounded, every one (law 9)
    MetricKind("cityloop_queue_depth", "gauge", "What waits in a queue.", ("queue",), "broker"),
    MetricKind("cityloop_queue_capacity", "gauge", "What it holds at most.", ("queue",), "broker"),
    MetricKind(
        "cityloop_queue_age_seconds", "gauge", "How long the oldest has waited.", ("queue",)
    ),
    MetricKind(
        "cityloop_queue_dropped_total",
        "counter",
        "What a full queue did not take, by its declared rule.",
        ("queue",),
    ),
    # processes
    MetricKind("cityloop_process_up", "gauge", "1 while a process runs and works.", ("process",)),
    MetricKind(
        "cityloop_process_resident_bytes", "gauge", "Its resident memory.", ("process",), "broker"
    ),
    MetricKind(
        "cityloop_process_cpu_seconds_total", "counter", "CPU it has used.", ("process",), "broker"
    ),
    MetricKind(
        "cityloop_process_start_time_seconds",
        "gauge",
        "When it started, since 1970.",
        ("process",),
        "broker",
    ),
    # the context broker
    MetricKind("cityloop_broker_tenants", "gauge", "Tenants of the broker.", (), "broker"),
    MetricKind(
        "cityloop_subscriptions",
        "gauge",
        "Subscriptions: of all, those for which something waits, and those whose subscriber fails.",
        ("state",),
        "broker",
    ),
    MetricKind(
        "cityloop_notifications_under_way",
        "gauge",
        "Notifications with the notifier; a long one counts for several.",
        (),
        "broker",
    ),
    MetricKind(
        "cityloop_notifications_total",
        "counter",
        "Attempts to notify since the broker started: taken, failed, or dropped for good.",
        ("outcome",),
        "broker",
    ),
)
METRICS: Mapping[str, MetricKind] = {kind.name: kind for kind in _KINDS}
