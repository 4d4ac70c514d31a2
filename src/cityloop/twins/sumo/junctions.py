"""Signalised junctions out of a SUMO network: links, conflicts, green phases, clearances.

What a shipped plan says is kept, with these rules where it is unsafe or silent:

* A green phase is a phase without yellow and with at least one green. A phase that repeats another
  or gives nothing beyond another is dropped, its seconds go to that other.
* A link shown G that must yield to another green link is shown g.
* Two links that cross, both green though neither yields (SUMO's matrix leaves it open), are not
  shown green together: the later one moves to a phase of its own, unless another serves it. Links
  of one and the same road are no such pair: their drivers sort themselves by lane.
* A letter s becomes red with ``turns_on_red``. Such a link gives way to all it crosses and nobody
  to it, whatever the matrix says (that of a network of equal priorities is right before left;
  Vienna Convention on Road Traffic, art. 16 and 23).
* Off-blinking O and o become G and g.
* A link that no phase serves and that may not turn on red gets a phase with its like.
* Yellow is 3, 4 or 5 s at up to 50, 60 or more km/h; where the shipped time between two greens is
  longer than that, the rest is all-red. All-red phases beyond ``LONGEST_ALL_RED_S`` are taken for a
  pedestrian stage and no part of the clearance.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cityloop.kernel.errors import ConfigError, Gathered
from cityloop.safety.envelope import yellow_for
from cityloop.standards.signals import (
    LETTERS,
    PERMISSIVE,
    PROTECTED,
    RED,
    Junction,
    Link,
    Phase,
)
from cityloop.twins.sumo.netfile import Connection, NetFile, Program

LONGEST_ALL_RED_S = 5.0
WALK_S = 5.0
WALKING_MPS = 1.2
_SHIPPED = LETTERS | {"o": PERMISSIVE, "O": PROTECTED}
_LETTER = {RED: "r", PERMISSIVE: "g", PROTECTED: "G"}
_FALLBACK_GREEN_S = 30.0


@dataclass(frozen=True, slots=True)
class Signalised:
    """A junction and, link by link, the connections that show its signal (often one)."""

    junction: Junction
    connections: tuple[tuple[Connection, ...], ...]


def read_junctions(net: NetFile, min_green_s: float) -> list[Signalised]:
    """All signalised junctions of ``net`` in file order.

    ConfigError names each plan that is shorter than its links need, or never shows green.
    """
    places = _places(net)
    groups: dict[str, dict[int, list[Connection]]] = defaultdict(lambda: defaultdict(list))
    for connection in net.connections:
        if connection.signal is not None:
            groups[connection.signal[0]][connection.signal[1]].append(connection)
    found: list[Signalised] = []
    told = Gathered()
    for program in net.programs.values():
        if groups[program.id]:
            with told:
                group = groups[program.id]
                found.append(_signalised(net, program, group, places, min_green_s))
    told.check()
    return found


_Places = dict[Connection, tuple[str, int]]


def _places(net: NetFile) -> _Places:
    """Where each signalled connection stands in its node's right-of-way matrix."""
    inside = {
        lane: (node.id, row)
        for node in net.nodes.values()
        if node.kind != "internal"
        for row, lane in enumerate(node.inside)
    }
    onward = {c.from_lane: c.via for c in net.connections if c.from_lane.startswith(":")}
    places: _Places = {}
    for connection in net.connections:
        if connection.signal is None:
            continue
        # A crossing is itself the lane inside; a turn that waits halfway has two of them.
        lane = connection.via or connection.to_lane
        while lane and lane not in inside:
            lane = onward.get(lane, "")
        if lane:
            places[connection] = inside[lane]
    return places or _places_by_order(net)


def _places_by_order(net: NetFile) -> _Places:
    """The same for a network without internal lanes: links stand in the order of the lanes."""
    leaving: dict[str, list[Connection]] = defaultdict(list)
    for connection in net.connections:
        leaving[connection.from_lane].append(connection)
    places: _Places = {}
    for node in net.nodes.values():
        ordered = [c for lane in node.incoming for c in leaving[lane]]
        places |= {c: (node.id, row) for row, c in enumerate(ordered) if c.signal is not None}
    return places


def _signalised(
    net: NetFile,
    program: Program,
    group: dict[int, list[Connection]],
    places: _Places,
    min_green_s: float,
) -> Signalised:
    size = len(program.phases[0][0]) if program.phases else 0
    if max(group) >= size or any(len(state) != size for state, _ in program.phases):
        raise ConfigError(
            f"signal {program.id}: its plan has {size} letters, its links go up to "
            f"{max(group)}; regenerate the network with netconvert"
        )
    connections = tuple(tuple(group.get(row, ())) for row in range(size))
    right_on_red = {row for state, _ in program.phases for row in range(size) if state[row] == "s"}
    links = _links(net, connections, places, right_on_red)
    phases = green_phases(program, links)
    if not phases:
        raise ConfigError(f"signal {program.id}: no phase shows green; mend its plan")
    yellow = tuple(yellow_for(link.speed_mps) for link in links)
    nodes = {place[0] for row in connections for c in row if (place := places.get(c))}
    at = [net.nodes[name] for name in sorted(nodes)] or [net.nodes[program.id]]
    return Signalised(
        Junction(
            id=program.id,
            x=sum(node.x for node in at) / len(at),
            y=sum(node.y for node in at) / len(at),
            links=links,
            phases=phases,
            min_green_s=tuple(_min_green(phase, links, min_green_s) for phase in phases),
            yellow_s=yellow,
            all_red_s=all_red_s(program, max(yellow)),
            offset_s=program.offset_s,
        ),
        connections,
    )


def _links(
    net: NetFile,
    connections: tuple[tuple[Connection, ...], ...],
    places: _Places,
    right_on_red: set[int],
) -> tuple[Link, ...]:
    placed = [(row, c) for row, group in enumerate(connections) for c in group if c in places]
    links: list[Link] = []
    for row, group in enumerate(connections):
        if not group:
            # A letter that steers nothing: free to turn on red, so no phase has to serve it.
            nobody: frozenset[int] = frozenset()
            links.append(Link("", "", "", "", 0.0, nobody, nobody, turns_on_red=True))
            continue
        foes, yields = _conflicts(net, group, places, placed)
        first = group[0]
        links.append(
            Link(
                from_lane=first.from_lane,
                to_lane=first.to_lane,
                via=first.via,
                direction=first.direction,
                speed_mps=net.lanes[first.from_lane].speed_mps,
                foes=frozenset(foes - {row}),
                yields_to=frozenset(foes if row in right_on_red else yields - right_on_red) - {row},
                crossing_m=_crossing_m(net, group),
                turns_on_red=row in right_on_red,
            )
        )
    return tuple(links)


def _conflicts(
    net: NetFile,
    group: Iterable[Connection],
    places: _Places,
    placed: Iterable[tuple[int, Connection]],
) -> tuple[set[int], set[int]]:
    """Link indices that cross or join this link, and those of them it yields to."""
    foes: set[int] = set()
    yields: set[int] = set()
    for connection in group:
        name, here = places.get(connection, ("", -1))
        for row, other in placed:
            if places[other][0] != name:
                continue
            node, there = net.nodes[name], places[other][1]
            gives_way = _bit(node.response[here], there)
            takes_it = _bit(node.response[there], here)
            meets = _bit(node.foes[here], there) or _bit(node.foes[there], here)
            one_road = net.lanes[connection.from_lane].edge == net.lanes[other.from_lane].edge
            if gives_way or takes_it or (meets and not one_road):
                foes.add(row)
            if gives_way:
                yields.add(row)
    return foes, yields


def _bit(text: str, row: int) -> bool:
    return row < len(text) and text[-1 - row] == "1"


def _crossing_m(net: NetFile, group: Iterable[Connection]) -> float:
    lengths = (
        net.lanes[c.to_lane].length_m
        for c in group
        if net.edges[net.lanes[c.to_lane].edge].function == "crossing"
    )
    return max(lengths, default=0.0)


def all_red_s(program: Program, yellow: float) -> float:
    """What the longest shipped time between two greens leaves beyond ``yellow`` seconds."""
    longest = spell = 0.0
    # Twice around, so that a clearance across the end of the cycle is seen whole.
    for state, duration in program.phases * 2:
        if _is_green(state):
            spell = 0.0
        elif set(state) & set("yu") or duration <= LONGEST_ALL_RED_S:
            spell += duration
        longest = max(longest, spell)
    return min(max(longest - yellow, 0.0), LONGEST_ALL_RED_S)


def _is_green(state: str) -> bool:
    return not set(state) & set("yu") and bool(set(state) & set("GgOo"))


def _min_green(phase: Phase, links: Sequence[Link], min_green_s: float) -> float:
    """The vehicle minimum, or the longest walk and clearance of the crossings the phase serves.

    5 s walk as in RiLSA 2015 (2.7), clearance at 1.2 m/s.
    """
    walks = (
        WALK_S + link.crossing_m / WALKING_MPS
        for link, letter in zip(links, phase.state, strict=True)
        if link.crossing_m > 0 and letter != "r"
    )
    return max(min_green_s, *walks, 0.0)


_Levels = list[int]


def green_phases(program: Program, links: Sequence[Link]) -> tuple[Phase, ...]:
    """The green phases of a shipped plan, made safe and complete by the rules of this module."""
    kept: list[tuple[_Levels, float]] = []
    moved: list[int] = []
    for state, duration in program.phases:
        if _is_green(state):
            levels = [_SHIPPED.get(letter, RED) for letter in state]
            moved += _part(levels, links)
            kept.append((levels, duration))
    own = _own_phases(_unserved(kept, links, moved), links)
    kept.extend((levels, _FALLBACK_GREEN_S) for levels in own)
    for levels, _ in kept:
        _yield(levels, links)
    return tuple(
        Phase("".join(_LETTER[level] for level in levels), duration)
        for levels, duration in _distinct(kept)
    )


def _open_conflict(a: int, b: int, links: Sequence[Link]) -> bool:
    return b in links[a].foes and b not in links[a].yields_to and a not in links[b].yields_to


def _part(levels: _Levels, links: Sequence[Link]) -> list[int]:
    """Turn red, in place, the later link of each open conflict; which ones."""
    moved: list[int] = []
    green: list[int] = []
    for row in sorted(range(len(levels)), key=lambda row: -levels[row]):
        if levels[row] == RED:
            continue
        if any(_open_conflict(row, other, links) for other in green):
            levels[row] = RED
            moved.append(row)
        else:
            green.append(row)
    return moved


def _unserved(
    kept: Sequence[tuple[_Levels, float]],
    links: Sequence[Link],
    moved: Sequence[int],
) -> list[int]:
    served = {row for levels, _ in kept for row, level in enumerate(levels) if level != RED}
    real = (row for row, link in enumerate(links) if link.from_lane and not link.turns_on_red)
    return sorted({*real, *moved} - served)


def _own_phases(rows: Sequence[int], links: Sequence[Link]) -> list[_Levels]:
    phases: list[_Levels] = []
    for row in rows:
        for levels in phases:
            green = (other for other, level in enumerate(levels) if level != RED)
            if not any(_open_conflict(row, other, links) for other in green):
                levels[row] = PROTECTED
                break
        else:
            phases.append([PROTECTED if other == row else RED for other in range(len(links))])
    return phases


def _yield(levels: _Levels, links: Sequence[Link]) -> None:
    green = {row for row, level in enumerate(levels) if level != RED}
    for row in green:
        if links[row].yields_to & green:
            levels[row] = PERMISSIVE


def _distinct(kept: Sequence[tuple[_Levels, float]]) -> list[tuple[_Levels, float]]:
    """Each phase once, without those that another contains; that one takes over their seconds."""
    durations: dict[tuple[int, ...], float] = {}
    for levels, duration in kept:
        if any(levels):
            durations[tuple(levels)] = durations.get(tuple(levels), 0.0) + duration
    whole = [a for a in durations if not any(a != b and _within(a, b) for b in durations)]
    for part in durations.keys() - set(whole):
        durations[next(b for b in whole if _within(part, b))] += durations[part]
    return [(list(phase), durations[phase]) for phase in whole]


def _within(inner: Sequence[int], outer: Sequence[int]) -> bool:
    return all(a <= b for a, b in zip(inner, outer, strict=True))
