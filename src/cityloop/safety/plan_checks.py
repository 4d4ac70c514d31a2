"""What a time-of-day plan must keep before a cabinet may run it: the guard's limits, all told."""

from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np

from cityloop.kernel.errors import RefusedError
from cityloop.kernel.reasons import Number, Reason, Wording
from cityloop.safety.cycles import green_ms, starts_of
from cityloop.safety.timing import Ints, Timing
from cityloop.standards.plans import JunctionPlan, Schedule

_LISTED = 10
TWICE = Wording("plan_twice", "plan {plan} is there twice; give each its own id")
NAMED_TWICE = Wording("plan_junction_twice", "plan {plan} names junction {junction} twice")
NO_PLAN = Wording("entry_no_plan", "calendar entry {entry} calls plan {plan}; there are: {there}")
ENDS_FIRST = Wording("entry_ends_first", "calendar entry {entry} ends on {last}, before it begins")
_AT = "plan {plan}, junction {junction}: "
NO_JUNCTION = Wording("plan_no_junction", _AT + "there is no such signalised junction")
NO_PHASE = Wording("plan_no_phase", _AT + "phase {phase} does not exist; there are 0 to {last}")
PHASE_TWICE = Wording("plan_phase_twice", _AT + "a phase is there twice; give each one green")
SHORT_GREEN = Wording(
    "plan_short_green",
    _AT + "phase {phase}: green {green_s:g} s is below its minimum {least_s:g} s",
)
OUT_OF_ORDER = Wording(
    "plan_out_of_order",
    _AT + "its phases have a fixed order: name all, in the order of the list",
)
UNSERVED = Wording("plan_unserved", _AT + "no phase serves link {link} ({lane} to {to})")
LONG_RED = Wording(
    "plan_long_red",
    _AT + "link {link} would stay red for {red_s:g} s; the maximum red is {most_s:g} s",
)
_Fault = tuple[Wording, dict[str, Number]]


def check_plans(timing: Timing, schedule: Schedule) -> None:
    """Raise RefusedError with all that is wrong: plan, junction, phase, limit.

    A plan may name phases of the junction only, each once, whose conflicts and clearances are
    sound already; it keeps minimum greens, serves every link within the maximum red, keeps a fixed
    order, and every plan that the calendar calls is there.
    """
    wrong = [*_wrong_tables(schedule), *_wrong_entries(schedule)]
    rows = {junction.id: row for row, junction in enumerate(timing.bank.junctions)}
    for plan in schedule.plans:
        for part in plan.junctions:
            where: dict[str, Number] = {"plan": plan.id, "junction": part.junction}
            if part.junction not in rows:
                wrong.append(NO_JUNCTION(**where))
                continue
            found = _wrong(timing, rows[part.junction], part)
            wrong += [wording(**where, **numbers) for wording, numbers in found]
    _refuse(wrong)


def check_calendar(schedule: Schedule) -> None:
    """Raise RefusedError where the calendar calls what its sound plans do not have."""
    _refuse(list(_wrong_entries(schedule)))


def _refuse(wrong: list[Reason]) -> None:
    if wrong:
        more = f" And {len(wrong) - _LISTED} more." if len(wrong) > _LISTED else ""
        listed = wrong[:_LISTED]
        raise RefusedError(". ".join(one.sentence for one in listed) + "." + more, listed)


def _wrong_tables(schedule: Schedule) -> Iterator[Reason]:
    for name in _twice(plan.id for plan in schedule.plans):
        yield TWICE(plan=name)
    for plan in schedule.plans:
        for part in _twice(part.junction for part in plan.junctions):
            yield NAMED_TWICE(plan=plan.id, junction=part)


def _twice(names: Iterable[str]) -> list[str]:
    return sorted(name for name, count in Counter(names).items() if count > 1)


def _wrong_entries(schedule: Schedule) -> Iterator[Reason]:
    names = [plan.id for plan in schedule.plans]
    for number, entry in enumerate(schedule.calendar.entries, 1):
        if entry.plan not in names:
            there = ", ".join(names) or "none"
            yield NO_PLAN(entry=number, plan=entry.plan, there=there)
        if entry.first and entry.last and entry.last < entry.first:
            yield ENDS_FIRST(entry=number, last=str(entry.last))


def _wrong(timing: Timing, row: int, plan: JunctionPlan) -> Iterator[_Fault]:
    junction = timing.bank.junctions[row]
    order = [step.phase for step in plan.phases]
    unknown = [phase for phase in order if phase >= len(junction.phases)]
    if unknown:
        last = len(junction.phases) - 1
        yield NO_PHASE, {"phase": unknown[0], "last": last}
        return
    if len(set(order)) < len(order):
        yield PHASE_TWICE, {}
        return
    for step in plan.phases:
        least_s = float(timing.min_green_ms[row, step.phase]) / 1000
        if step.green_s < least_s:
            green_s = step.green_s
            yield SHORT_GREEN, {"phase": step.phase, "green_s": green_s, "least_s": least_s}
    if junction.fixed_order and not _listed(order, len(junction.phases)):
        yield OUT_OF_ORDER, {}
    yield from _late_links(timing, row, plan)


def _listed(order: list[int], count: int) -> bool:
    return sorted(order) == list(range(count)) and all(
        after == (before + 1) % count
        for before, after in zip(order, [*order[1:], order[0]], strict=True)
    )


def _late_links(timing: Timing, row: int, plan: JunctionPlan) -> Iterator[_Fault]:
    """Links that the plan never serves, and the one that it keeps red for longest, if too long."""
    junction = timing.bank.junctions[row]
    reds = _longest_reds(timing, row, plan)[: len(junction.links)]
    for number in np.flatnonzero(reds < 0).tolist():
        link = junction.links[number]
        if not link.turns_on_red:
            yield UNSERVED, {"link": number, "lane": link.from_lane, "to": link.to_lane}
    worst = int(reds.argmax()) if len(reds) else 0
    if len(reds) and reds[worst] > int(timing.limits.max_red_s) * 1000:
        red_s, most_s = float(reds[worst]) / 1000, int(timing.limits.max_red_s)
        yield LONG_RED, {"link": worst, "red_s": red_s, "most_s": most_s}


def _longest_reds(timing: Timing, row: int, plan: JunctionPlan) -> Ints:
    """(L,): how long each link is red at most, in ms; -1 where it is never served."""
    starts, cycle = starts_of(timing, row, plan)
    lit = timing.lit[row, [step.phase for step in plan.phases]]
    dark_since = np.full(lit.shape[1], -1, dtype=np.int64)
    longest = np.where(lit.any(axis=0), 0, -1)
    for turn in range(2 * len(starts)):
        step = turn % len(starts)
        at = starts[step] + cycle * (turn // len(starts))
        # What two phases in a row serve stays green between them.
        comes = lit[step] & ~lit[step - 1] & (dark_since >= 0)
        np.maximum(longest, at - dark_since, out=longest, where=comes)
        dark_since[lit[step]] = at + green_ms(plan.phases[step])
    return longest
