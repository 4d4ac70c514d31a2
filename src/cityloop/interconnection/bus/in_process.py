"""The bus of a city without one: the log itself, read by whoever can open it."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from cityloop.kernel.ports import Gap, Letter, Log, Mark, Position
from cityloop.standards.letters import Cut, fits, write_letters

_LOOK_EVERY_S = 0.05


class LogBus:
    """``kernel.ports.Bus`` for those who have the log at hand: nothing is sent, nothing is missing.

    Readers with a name keep their place for as long as this lives.
    """

    def __init__(self, log: Log, tenant: str, cut: Cut) -> None:
        self._log = log
        self._tenant = tenant
        self._cut = cut
        self._places: dict[str, Mark] = {}

    async def send(self, letters: Sequence[Letter]) -> None:
        """The log has them already."""

    async def last(self) -> Letter | None:
        """The newest letter (``Bus``)."""
        end = self._log.last()
        for position in range(end, 0, -1):
            letters = list(self._letters(Position(position - 1), Position(position)))
            if letters:
                return letters[-1]
        return None

    async def subscribe(
        self, subjects: Sequence[str], *, name: str = "", after: Mark | None = None
    ) -> "LogReader":
        """A reader's letters (``Bus``)."""
        start = self._places.get(name, after or (Position(0), 0))

        def keep(mark: Mark) -> None:
            if name:
                self._places[name] = mark

        return LogReader(self._log, self._letters, subjects, start, keep)

    def missed(self, gap: Gap) -> Iterator[Letter]:
        """What a reader of another bus has missed, in order."""
        some = self._letters(gap.after, gap.until)
        return (letter for letter in some if letter.subject == gap.subject)

    def _letters(self, after: Position, until: Position) -> Iterator[Letter]:
        for commit in self._log.read(after, until):
            yield from write_letters(commit, self._tenant, self._cut)


class LogReader:
    """``kernel.ports.Subscription`` on the log. ``mark``: the newest letter that it has given."""

    def __init__(
        self,
        log: Log,
        letters: Callable[[Position, Position], Iterator[Letter]],
        subjects: Sequence[str],
        start: Mark,
        keep: Callable[[Mark], None],
    ) -> None:
        self._log = log
        self._letters = letters
        self._subjects = subjects
        self._keep = keep
        # Of the position of the mark itself some letters may still be to come.
        self._read = Position(max(0, start[0] - 1))
        self._under_way: Iterator[Letter] = iter(())
        self.mark = start

    async def next(self, most: int, patience_s: float) -> Sequence[Letter]:
        """As ``Subscription``."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + patience_s
        while not (found := list(islice(self._fresh(), most))):
            left_s = give_up - loop.time()
            if left_s <= 0:
                return ()
            await asyncio.sleep(min(_LOOK_EVERY_S, left_s))
        return found

    def _fresh(self) -> Iterator[Letter]:
        """Letters that fit, from where the last call stopped to what the log holds now."""
        while True:
            for letter in self._under_way:
                fit = any(fits(pattern, letter.subject) for pattern in self._subjects)
                if fit and letter.mark > self.mark:
                    self.mark = letter.mark
                    yield letter
            if (end := self._log.last()) == self._read:
                return
            self._under_way = self._letters(self._read, end)
            self._read = end

    async def done(self) -> None:
        """As ``Subscription``."""
        self._keep(self.mark)

    async def close(self) -> None:
        """As ``Subscription``."""
        self._under_way = iter(())
