"""What the notifier has in hand, and what the tables of the outbox are still to learn of that."""

from collections.abc import Iterable

from cityloop.interconnection.broker.outbox import Outbox

_SETTLE_MS = 500
"""Who was told is noted once others were not for so long; a kill before that tells all again."""


class UnderWay:
    """Numbers that were handed out from ``news``, each with those to whom it was not told yet.

    Those that wait in ``outbox`` are handed out and told without this.
    """

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._open: dict[int, set[int]] = {}
        self._counts: dict[int, int] = {}
        self._touched: dict[int, int] = {}
        self._held: list[tuple[int, int]] = []
        self._told: list[tuple[int, int]] = []
        self._ended: set[int] = set()
        self._split: set[int] = set()
        self._settled: set[int] = set()

    def hand_out(self, n: int, to: Iterable[int], held: Iterable[int]) -> None:
        """``n`` goes to some now; ``held``: those that have to wait."""
        self._open[n] = set(to)
        for s in to:
            self._counts[s] = self._counts.get(s, 0) + 1
        for s in held:
            self._wait(s, n)
        if not self._open[n]:
            self._end(n)

    def told(self, s: int, numbers: list[int], now: int) -> None:
        """These were told, or never will be."""
        for n in numbers:
            if not self._taken(s, n, now):
                self._told.append((s, n))

    def held(self, s: int, numbers: list[int], now: int) -> None:
        """These were not told, and wait."""
        for n in numbers:
            if self._taken(s, n, now):
                self._wait(s, n)

    def _taken(self, s: int, n: int, now: int) -> bool:
        """Whether it was handed out from ``news``; it is no more."""
        to = self._open.get(n)
        if to is None or s not in to:
            return False
        to.remove(s)
        self._counts[s] -= 1
        if to:
            self._touched.setdefault(n, now)
        else:
            self._end(n)
        return True

    def _wait(self, s: int, n: int) -> None:
        self._held.append((s, n))
        self._split.add(n)

    def _end(self, n: int) -> None:
        del self._open[n]
        self._touched.pop(n, None)
        self._ended.add(n)

    def shed(self, pairs: list[tuple[int, int]]) -> None:
        """These wait no more, though they were not told."""
        self._told += pairs

    def ended(self, numbers: list[int]) -> None:
        """These were told to all, or to all but those for whom they wait."""
        self._ended.update(n for n in numbers if n not in self._open)

    def forget(self, s: int) -> None:
        """A subscription is gone; what was under way for it is of no concern any more."""
        for n in self.of(s):
            self._taken(s, n, 0)
        self._counts.pop(s, None)
        self._held = [pair for pair in self._held if pair[0] != s]

    def of(self, s: int) -> list[int]:
        """The numbers that go to a subscription now, in order."""
        return [n for n, to in self._open.items() if s in to] if self.count(s) else []

    def count(self, s: int) -> int:
        """How many go to a subscription now."""
        return self._counts.get(s, 0)

    def first(self, otherwise: int) -> int:
        """The least number under way."""
        return min(self._open, default=otherwise)

    @property
    def unwritten(self) -> bool:
        """Whether the tables are to learn something."""
        return bool(self._held or self._told or self._ended or self._touched)

    @property
    def waits(self) -> bool:
        """Whether what waits in the tables is not all, or too much."""
        return bool(self._held or self._told)

    def write(self, now: int, *, everything: bool = False) -> None:
        """Tell the tables, in a transaction of the caller; ``written`` when that has ended well."""
        self._outbox.hold(self._held)
        self._outbox.told(self._told)
        self._settled = (self._split & self._open.keys()) | {
            n for n, since in self._touched.items() if everything or now - since > _SETTLE_MS
        }
        self._outbox.left((n, self._open[n]) for n in self._settled)
        self._outbox.left((n, ()) for n in self._ended)
        self._outbox.erase(self._ended | {n for _, n in self._told if n not in self._open})

    def written(self) -> None:
        """The tables have it."""
        for n in self._settled:
            self._touched.pop(n, None)
        self._split.clear()
        self._held, self._told = [], []
        self._ended.clear()

    def restart(self) -> None:
        """Nothing is under way any more; everything is written."""
        for known in (self._open, self._counts, self._touched):
            known.clear()
