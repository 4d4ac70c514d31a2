"""What sources say of the city's entities, in the tables of the API: folded when somebody asks.

A city may take in a thousand seconds of frames in one of ours; nothing of that is looked at here
until a client asks or a subscription waits. Then the newest value of each attribute that changed
goes into the tables, whatever lay between: clients see every acknowledged position, a subscriber
of values that change faster than it is looked at the newest ones.
"""

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from urllib.parse import unquote

from cityloop.interconnection.broker.held import Held, Written
from cityloop.interconnection.broker.store import EntityStore
from cityloop.interconnection.context import News, StoredContext
from cityloop.interconnection.picture import Sight
from cityloop.kernel.ports import API_RUN, Log, Position
from cityloop.standards.cim.observed import Known, entity_iri, newer, observed
from cityloop.standards.cim.writes import Alter

_AT_ONCE = 200
"""Entities in one turn of the event loop: some milliseconds."""


class Sighting:
    """Brings what sources said into ``store``; for the event loop that the store belongs to.

    ``context``: the city's now, which nobody else asks for ``news``.
    """

    def __init__(self, store: EntityStore, context: StoredContext, log: Log, known: Known) -> None:
        self._store = store
        self._context = context
        self._log = log
        self._known = known
        self._reached = Position(-1)
        self._left: list[Sight] = []
        self._thread = ThreadPoolExecutor(1, "sighting")
        self._turn = asyncio.Lock()

    async def catch_up(self, only: Sequence[str] | None = None) -> None:
        """Take in what is acknowledged by now, of all entities or of ``only`` some.

        Raises OSError, BusyError and CorruptError.
        """
        wanted = self._log.last()
        if self._has(wanted, only):
            return
        async with self._turn:
            if not self._has(wanted, only):  # else somebody did while this one waited
                names = None if only is None else [name for id_ in only for name in _names(id_)]
                left, self._left = self._left, []
                loop = asyncio.get_running_loop()
                ask = partial(self._context.news, API_RUN, names, left)
                await self._take_in(await loop.run_in_executor(self._thread, ask), only)

    def _has(self, position: Position, only: Sequence[str] | None) -> bool:
        if self._reached >= 0 and only is not None and not only:
            return True
        return position <= self._reached and not self._left

    async def _take_in(self, news: News, only: Sequence[str] | None) -> None:
        done = 0
        try:
            while done < len(news.sights):
                some = news.sights[done : done + _AT_ONCE]
                changed = list(self._done(some, whole=news.whole))
                if changed:
                    self._store.observe(changed, news.position)
                done += len(some)
                await asyncio.sleep(0)
        finally:
            self._left += news.sights[done:]
        if only is None or news.whole:
            self._reached = news.position
        self._store.reach(news.position)

    def _done(self, sights: Sequence[Sight], *, whole: bool) -> Iterator[Written]:
        now = self._store.clock()
        ids = [entity_iri(sight.type, sight.entity) for sight in sights]
        held = self._store.held_many(ids)
        for id_, sight in zip(ids, sights, strict=True):
            if self._store.is_pending(id_):
                # Its write would undo what is laid over it now; the next time will do.
                self._left.append(sight)
                continue
            before = held.get(id_)
            kept = before.kept if before else None
            cells = newer(kept, sight.cells) if whole and kept else sight.cells
            after = observed(kept, sight.type, id_, cells, now, self._known)
            if after is not None:
                key = before.key if before else self._store.state.next_key()
                held[id_] = one = Held(key, after)
                yield Written(before, one, Alter(id_, now, {}), b"", id_)

    def close(self) -> None:
        """Let go of the files."""
        self._thread.shutdown()
        self._context.close()


def _names(id_: str) -> Iterator[str]:
    """What a source may call an entity."""
    yield id_
    *_, name = id_.split(":", 3)
    if name != id_:
        yield unquote(name)
