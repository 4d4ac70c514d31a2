"""Random sound junctions, for properties that must hold at every junction there can be."""

import math

import numpy as np

from cityloop.safety.envelope import yellow_for
from cityloop.standards.signals import Junction, Link, Phase

_Pairs = set[tuple[int, int]]


def random_junction(rng: np.random.Generator, name: str) -> Junction:
    """2 to 10 links, random conflicts, crossings and turns on red; 2 to 8 phases serve them all."""
    while True:
        junction = _attempt(rng, name)
        if 2 <= len(junction.phases) <= 8:
            return junction


def _attempt(rng: np.random.Generator, name: str) -> Junction:
    count = int(rng.integers(2, 11))
    foes: _Pairs = set()
    yields: _Pairs = set()
    for a in range(count):
        for b in range(a):
            if rng.random() < 0.5:
                foes |= {(a, b), (b, a)}
                if rng.random() < 0.3:
                    yields.add((a, b) if rng.random() < 0.5 else (b, a))
    crossings = rng.random(count) < 0.2 * (rng.random() < 0.5)
    links = tuple(
        Link(
            from_lane=f"in{a}",
            to_lane=f"out{a}",
            via="",
            direction="s",
            speed_mps=float(rng.choice([8.33, 13.89, 16.67, 19.44])),
            foes=frozenset(b for b in range(count) if (a, b) in foes),
            yields_to=frozenset(b for b in range(count) if (a, b) in yields),
            crossing_m=float(rng.uniform(3, 14)) if crossings[a] else 0.0,
            turns_on_red=bool(rng.random() < 0.2) and not crossings[a],
        )
        for a in range(count)
    )
    phases = _phases(rng, links)
    return Junction(
        id=name,
        x=0.0,
        y=0.0,
        links=links,
        phases=tuple(Phase(state, float(rng.uniform(5, 40))) for state in phases),
        min_green_s=tuple(_min_green(rng, links, state) for state in phases),
        yellow_s=tuple(yellow_for(k.speed_mps) + float(rng.choice([0, 0, 0.4, 2])) for k in links),
        all_red_s=float(rng.choice([0, 1, 1.5, 2, 3])),
        fixed_order=bool(rng.random() < 0.25),
    )


def _phases(rng: np.random.Generator, links: tuple[Link, ...]) -> list[str]:
    """Random greens until every link is served, and perhaps a few more."""
    states: list[str] = []
    unserved = set(range(len(links)))
    spare = int(rng.integers(0, 3))
    while unserved or spare:
        first = min(unserved) if unserved else int(rng.integers(len(links)))
        spare -= not unserved
        state = _state(rng, links, first)
        unserved -= {a for a, letter in enumerate(state) if letter != "r"}
        if state not in states:
            states.append(state)
    rng.shuffle(states)
    return states


def _state(rng: np.random.Generator, links: tuple[Link, ...], first: int) -> str:
    state = ["r"] * len(links)
    for a in [first, *rng.permutation(len(links)).tolist()]:
        rivals = {b for b in links[a].foes if state[b] != "r"}
        if state[a] != "r" or (rng.random() < 0.3 and a != first):
            continue
        if not rivals:
            state[a] = "G"
        elif rivals <= links[a].yields_to and rng.random() < 0.7:
            state[a] = "g"
    return "".join(state)


def _min_green(rng: np.random.Generator, links: tuple[Link, ...], state: str) -> float:
    walk_m = max(
        (k.crossing_m for k, letter in zip(links, state, strict=True) if letter != "r"), default=0.0
    )
    return math.ceil((5 + walk_m / 1.2) * 10) / 10 + float(rng.choice([0, 0, 0.5, 2, 5]))
