"""What a time-of-day plan must keep before a cabinet may run it: the guard's limits, all told."""

from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np

from cityloop.kernel.errors import RefusedError
from cityloop.safety.cycles import green_ms, starts_of
from cityloop.safety.timing import Ints, Timing
from cityloop.standards.plans import JunctionPlan, Schedule

_LISTED = 10


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
            where = f"plan {plan.id}, junction {part.junction}"
            if part.junction not in rows:
                wrong.append(f"{where}: there is no such signalised junction")
                continue
            wrong += [f"{where}: {what}" for what in _wrong(timing, rows[part.junction], part)]
    _refuse(wrong)


def check_calendar(schedule: Schedule) -> None:
    """Raise RefusedError where the calendar calls what its sound plans do not have."""
    _refuse(list(_wrong_entries(schedule)))


def _refuse(wrong: list[str]) -> None:
    if wrong:
        more = f" And {len(wrong) - _LISTED} more." if len(wrong) > _LISTED else ""
        raise RefusedError(". ".join(wrong[:_LISTED]) + "." + more)


def _wrong_tables(schedule: Schedule) -> Iterator[str]:
    for name in _twice(plan.id for plan in schedule.plans):
        yield f"plan {name} is there twice; give each its own id"
    for plan in schedule.plans:
        for part in _twice(part.junction for part in plan.junctions):
            yield f"plan {plan.id} names junction {part} twice"


def _twice(names: Iterable[str]) -> list[str]:
    return sorted(name for name, count in Counter(names).items() if count > 1)


def _wrong_entries(schedule: Schedule) -> Iterator[str]:
    names = [plan.id for plan in schedule.plans]
    for number, entry in enumerate(schedule.calendar.entries, 1):
        if entry.plan not in names:
            there = ", ".join(names) or "none"
            yield f"calendar entry {number} calls plan {entry.plan}; there are: {there}"
        if entry.first and entry.last and entry.last < entry.first:
            yield f"calendar entry {number} ends on {entry.last}, before it begins"


def _wrong(timing: Timing, row: int, plan: JunctionPlan) -> Iterator[str]:
    junction = timing.bank.junctions[row]
    order = [step.phase for step in plan.phases]
    unknown = [phase for phase in order if phase >= len(junction.phases)]
    if unknown:
        last = len(junction.phases) - 1
        yield f"phase {unknown[0]} does not exist; there are 0 to {last}"
        return
    if len(set(order)) < len(order):
        yield "a phase is there twice; give each one green"
        return
    for step in plan.phases:
        least_s = timing.min_green_ms[row, step.phase] / 1000
        if step.green_s < least_s:
            yield f"phase {step.phase}: green {step.green_s:g} s is below its minimum {least_s:g} s"
    if junction.fixed_order and not _listed(order, len(junction.phases)):
        yield "its phases have a fixed order: name all, in the order of the list"
    yield from _late_links(timing, row, plan)


def _listed(order: list[int], count: int) -> bool:
    return sorted(order) == list(range(count)) and all(
        after == (before + 1) % count
        for before, after in zip(order, [*order[1:], order[0]], strict=True)
    )


def _late_links(timing: Timing, row: int, plan: JunctionPlan) -> Iterator[str]:
    """Links that the plan never serves, and the one that it keeps red for longest, if too long."""
    junction = timing.bank.junctions[row]
    reds = _longest_reds(timing, row, plan)[: len(junction.links)]
    for number in np.flatnonzero(reds < 0).tolist():
        link = junction.links[number]
        if not link.turns_on_red:
            yield f"no phase serves link {number} ({link.from_lane} to {link.to_lane})"
    worst = int(reds.argmax()) if len(reds) else 0
    if len(reds) and reds[worst] > int(timing.limits.max_red_s) * 1000:
        red_s, limit_s = reds[worst] / 1000, int(timing.limits.max_red_s)
        yield f"link {worst} would stay red for {red_s:g} s; the maximum red is {limit_s} s"


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
