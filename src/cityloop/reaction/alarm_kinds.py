"""Kinds of alarm as data: how bad, how soon, what is said, and which other kind explains them.

Priorities and delays as in IEC 62682 (ISA-18.2): an alarm is something that needs a person, so what
only informs is none, and a delay on each side keeps what flickers from crying twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Severity = Literal["critical", "high", "medium", "low"]
Group = Literal["signals", "sensors", "traffic", "loops", "sources", "machine"]
Datum: TypeAlias = bool | int | float | str | list[str] | None
"""A number, a name or names that a sentence is made of."""
CITY = "city"
"""Where an alarm is that stands for many junctions."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of alarm.

    ``on_s``, ``off_s``: how long its condition must hold, or be gone, before anybody is told; of
    ``clock`` "city" for what the street shows, "wall" for what the machine does. ``looks``: in so
    many looks in a row, too, for a fast city is looked at seldom. ``text``: the sentence, made with
    the condition's data and ``what``, the members' words. ``words``: for one member, for many.
    """

    name: str
    group: Group
    severity: Severity
    clock: Literal["city", "wall"]
    on_s: float
    off_s: float
    text: str
    looks: int = 1
    words: tuple[str, str] = ("", "")

    def sentence(self, data: Mapping[str, Datum]) -> str:
        """What people read; ``data`` holds ``count`` and ``where`` beside the kind's own."""
        words = self.words[data["count"] != 1]
        return self.text.format(what=words.format(**data), **data)


_JUNCTION = "Junction {where}", "{count} junctions"
_SENSOR = "A sensor of {where}", "{count} sensors of {where}"

_KINDS = (
    Kind(
        "process-down",
        "machine",
        "high",
        "wall",
        0,
        0,
        "Process {process} ended and is being started again (ends so far: {times}).",
    ),
    Kind(
        "log-failing",
        "machine",
        "critical",
        "wall",
        0,
        5,
        "Nothing can be recorded ({error}); {waiting} batches wait. Make room on the disk.",
    ),
    Kind(
        "log-behind",
        "machine",
        "medium",
        "wall",
        5,
        10,
        "The log is {age_s:g} s behind with {waiting} batches: the disk is slower than the city.",
    ),
    Kind(
        "bus-failing",
        "machine",
        "medium",
        "wall",
        5,
        10,
        "The bus does not follow the log: {reason}. It catches up by itself once that is mended.",
    ),
    Kind(
        "bus-behind",
        "machine",
        "low",
        "wall",
        30,
        30,
        "The bus is {age_s:g} s behind the log: its server is slower than the city.",
    ),
    Kind(
        "history-behind",
        "machine",
        "medium",
        "wall",
        0,
        5,
        "The history cannot be stored ({reason}). Nothing is lost: it waits in the log, whose disk "
        "fills until this is mended.",
    ),
    Kind(
        "disk-low",
        "machine",
        "high",
        "wall",
        0,
        60,
        "The disk has {free_gb:g} GB left ({free_percent:g} %): make room.",
    ),
    Kind(
        "tracer-lost",
        "machine",
        "high",
        "wall",
        0,
        0,
        "The tracer has not come back for {waited_s:g} s: it passed {passed}, but not {missing}.",
    ),
    Kind(
        "source-silent",
        "sources",
        "high",
        "wall",
        0,
        2,
        "Source {source} has sent nothing for {silent_s:g} s.",
    ),
    Kind("source-failing", "sources", "high", "wall", 5, 10, "Source {source} fails: {reason}"),
    Kind(
        "loop-failing",
        "loops",
        "high",
        "city",
        0,
        30,
        "Loop {loop} fails (failures so far: {failures}), its junctions run local plans: {reason}",
    ),
    Kind(
        "loop-late",
        "loops",
        "medium",
        "wall",
        10,
        30,
        "Loops answer late: 1 in 100 takes {p99_ms:g} ms or more, {limit_ms:g} ms is the limit.",
    ),
    Kind(
        "fallback",
        "signals",
        "high",
        "city",
        0,
        10,
        "{what} on the local plan for {minutes:g} min although a loop should act.",
        looks=2,
        words=_JUNCTION,
    ),
    Kind("flash", "signals", "high", "city", 2, 5, "{what} in flash.", words=_JUNCTION),
    Kind(
        "hold-expiring",
        "signals",
        "low",
        "city",
        0,
        0,
        "{what}: the hold by hand ends at {expires_at}.",
        words=_JUNCTION,
    ),
    Kind(
        "refusals",
        "signals",
        "medium",
        "city",
        0,
        120,
        "{what}: {refused} orders refused within {minutes:g} min; the decisions say why.",
        words=_JUNCTION,
    ),
    Kind(
        "cabinet-silent",
        "signals",
        "critical",
        "city",
        0,
        10,
        "{what}: the cabinet has said nothing for {silent_s:g} s.",
        words=_JUNCTION,
    ),
    Kind(
        "sensor-silent",
        "sensors",
        "medium",
        "city",
        0,
        30,
        "{what}: nothing heard for {silent_s:g} s.",
        words=_SENSOR,
    ),
    Kind(
        "sensor-frozen",
        "sensors",
        "medium",
        "city",
        0,
        60,
        "{what}: the very same reading for {minutes:g} min, while traffic moves.",
        words=_SENSOR,
    ),
    Kind(
        "sensor-absurd",
        "sensors",
        "medium",
        "city",
        0,
        60,
        "{what}: {rejected} readings of {attribute} rejected, they cannot be.",
        words=_SENSOR,
    ),
    Kind(
        "long-queue",
        "traffic",
        "medium",
        "city",
        180,
        60,
        "{what}: a queue has filled all that the detectors see, {queued} vehicles stand.",
        looks=3,
        words=_JUNCTION,
    ),
    Kind(
        "gridlock",
        "traffic",
        "critical",
        "city",
        180,
        120,
        "Roads stand full at {junctions} junctions at once: no room is left to clear them.",
        looks=3,
    ),
)
KINDS: Mapping[str, Kind] = {kind.name: kind for kind in _KINDS}

EXPLAINED_BY: Mapping[str, tuple[tuple[str, str], ...]] = {
    "fallback": (
        *(("process-down", "hub"), ("process-down", "twin"), ("log-failing", "")),
        *(("sensor-silent", "where"), ("sensor-absurd", "where"), ("cabinet-silent", "where")),
        ("loop-failing", ""),
    ),
    "sensor-silent": (("process-down", "twin"), ("process-down", "hub"), ("source-silent", "")),
    "cabinet-silent": (("process-down", "twin"), ("process-down", "hub"), ("source-silent", "")),
    "source-silent": (("process-down", "twin"), ("process-down", "hub"), ("log-failing", "")),
    "loop-late": (("process-down", "hub"), ("log-failing", "")),
    "tracer-lost": (
        *(("process-down", "hub"), ("process-down", "worker"), ("process-down", "web")),
        ("log-failing", ""),
    ),
    "log-behind": (("log-failing", ""),),
    "long-queue": (("gridlock", ""),),
}
"""Kind → (kind, subject) that explain it, so that nobody is told of the consequence: a subject
``where`` means one at the same junction, an empty one any."""
