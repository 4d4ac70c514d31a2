"""Signal programs that SUMO runs by itself: fixed, actuated, delay-based; the baselines.

They show the same green phases with the same clearances as the cabinets do.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree as ET

from cityloop.standards.signals import Junction, SignalBank
from cityloop.twins.sumo.junctions import WALKING_MPS

Kind = Literal["static", "actuated", "delay_based"]
PROGRAM = "cityloop"
MAX_GREEN_S = 50.0
"""The longest green of actuated and delay-based control; SUMO's own default."""


def write_programs(
    bank: SignalBank,
    plans: Sequence[Sequence[tuple[int, float]]],
    path: Path,
    *,
    kind: Kind = "static",
) -> Path:
    """Write an additional file with one program per junction of ``bank``; SUMO runs the last one.

    ``plans``: per junction the phases in order, each with its green in seconds (for actuated and
    delay-based control that of the first cycle only). These keep each junction's minimum greens
    and end a green after ``MAX_GREEN_S``. Raises ValueError when a junction has no phase.
    """
    root = ET.Element("additional")
    for junction, plan in zip(bank.junctions, plans, strict=True):
        if not plan:
            raise ValueError(f"junction {junction.id} has no phase in its plan")
        logic = ET.SubElement(
            root,
            "tlLogic",
            id=junction.id,
            programID=PROGRAM,
            # One phase alone has nothing to switch between.
            type=kind if len(plan) > 1 else "static",
            offset=f"{junction.offset_s:g}" if kind == "static" else "0",
        )
        logic.extend(_phases(junction, plan, kind))
    ET.indent(root)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
    return path


def shipped_plans(bank: SignalBank) -> list[list[tuple[int, float]]]:
    """All phases of each junction in the listed order with the greens of its local plan."""
    return [
        [(row, phase.duration_s) for row, phase in enumerate(junction.phases)]
        for junction in bank.junctions
    ]


def _phases(
    junction: Junction, plan: Sequence[tuple[int, float]], kind: Kind
) -> Iterator[ET.Element]:
    for position, (phase, green_s) in enumerate(plan):
        following = plan[(position + 1) % len(plan)][0]
        shown = _red_as_allowed(junction, junction.phases[phase].state)
        green = ET.Element("phase", duration=f"{green_s:g}", state=shown)
        if kind != "static":
            least = junction.min_green_s[phase]
            green.set("minDur", f"{least:g}")
            green.set("maxDur", f"{max(MAX_GREEN_S, least):g}")
        yield green
        for state, span_s in clearance(junction, phase, following):
            yield ET.Element("phase", duration=f"{span_s:g}", state=state)


def clearance(junction: Junction, phase: int, following: int) -> Iterator[tuple[str, float]]:
    """States and seconds between two phases: each ending link its own yellow, then all-red.

    A crossing turns red at once and is given its time to clear. A link green on both sides shows
    the weaker of its letters: what it must yield to may still be moving.
    """
    pairs = list(zip(junction.phases[phase].state, junction.phases[following].state, strict=True))
    ended = [row for row, (b, a) in enumerate(pairs) if b != "r" and a == "r"]
    if not ended:
        return
    links = junction.links
    yellow_s = {row: junction.yellow_s[row] for row in ended if not links[row].crossing_m}
    walk_s = max(links[row].crossing_m / WALKING_MPS for row in ended)
    kept = ["r" if "r" in pair else min(pair, key="gG".index) for pair in pairs]
    elapsed = 0.0
    for end in sorted({*yellow_s.values()}):
        letters = ["y" if yellow_s.get(row, 0.0) >= end else b for row, b in enumerate(kept)]
        yield _red_as_allowed(junction, "".join(letters)), end - elapsed
        elapsed = end
    red_s = max(junction.all_red_s if yellow_s else 0.0, walk_s - elapsed)
    if red_s > 0:
        yield _red_as_allowed(junction, "".join(kept)), red_s


def _red_as_allowed(junction: Junction, state: str) -> str:
    return "".join(
        "s" if letter == "r" and link.turns_on_red else letter
        for letter, link in zip(state, junction.links, strict=True)
    )
