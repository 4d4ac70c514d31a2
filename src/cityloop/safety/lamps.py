"""What the lamps of a junction show, as SUMO's state string: one letter per link, cached."""

from functools import lru_cache

from cityloop.safety.timing import Timing
from cityloop.standards.signals import Junction

FLASHING = "o"


class Lamps:
    """Letters of the junctions of a ``Timing``; ``flash`` is the number of the pseudo-phase."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._flash = timing.bank.shape[1]
        self.steady = lru_cache(maxsize=None)(self._steady)
        self.clearing = lru_cache(maxsize=None)(self._clearing)

    def _steady(self, row: int, phase: int) -> str:
        """The letters while ``phase`` is green, or while the junction flashes."""
        junction = self._timing.bank.junctions[row]
        if phase == self._flash:
            return FLASHING * len(junction.links)
        return _with_turns_on_red(junction, junction.phases[phase].state, (phase,))

    def _clearing(self, row: int, old: int, new: int, elapsed_ms: int) -> str:
        """The letters ``elapsed_ms`` after the clearance from ``old`` to ``new`` began.

        A link that is green on both sides keeps its old letter until the new phase starts. A link
        that ends shows its own yellow, a crossing red.
        """
        junction = self._timing.bank.junctions[row]
        dark = "r" * len(junction.links)
        before, after = (
            dark if phase == self._flash else junction.phases[phase].state for phase in (old, new)
        )
        yellow = self._timing.yellow_ms[row]
        letters = "".join(
            a if b != "r" else "y" if a != "r" and elapsed_ms < yellow[i] else "r"
            for i, (a, b) in enumerate(zip(before, after, strict=True))
        )
        if old == self._flash:
            return letters
        sides = (old,) if new == self._flash else (old, new)
        return _with_turns_on_red(junction, letters, sides)


def _with_turns_on_red(junction: Junction, letters: str, phases: tuple[int, ...]) -> str:
    """Red links that may turn after a stop, unless people walk across their path in ``phases``."""
    return "".join(
        "s"
        if letter == "r" and link.turns_on_red and not _meets_people(junction, i, phases)
        else letter
        for i, (letter, link) in enumerate(zip(letters, junction.links, strict=True))
    )


def _meets_people(junction: Junction, link: int, phases: tuple[int, ...]) -> bool:
    return any(
        other.crossing_m > 0
        and (link in other.foes or number in junction.links[link].foes)
        and any(junction.phases[phase].state[number] != "r" for phase in phases)
        for number, other in enumerate(junction.links)
    )
