"""The newest writes of a tenant, whose history is not in files yet: in memory, by entity.

The log holds them, so nothing is lost with it. Taking a write in costs next to nothing; the files
follow behind, in another process.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import count

from cityloop.interconnection.broker.past_rows import numbered
from cityloop.kernel.ports import Commit, Position
from cityloop.standards.cim.writes import Write, read_write

MOST_BYTES = 256 << 20
"""What lies longest is let go of beyond; it is read from the files then, once they have it."""
_BLOCK_BYTES = 8 << 20
_BLOCK_WRITES = 8_192
_COMMON = (b'["pu', b'["al')
"""How a Put and an Alter begin."""
_PAST = b'["pa'
_OF_PAST = (_PAST, b'["de')
"""How writes begin after which the past of an entity may be all that there is of it."""

Entry = tuple[int, bytes]
"""The number of a write (``numbered``) and its bytes."""


class Block:
    """Some commits in a row, up to the position ``last``.

    ``of_past``, ``corrected``: entities to whose past something was added, or changed.
    """

    __slots__ = ("by_id", "corrected", "last", "of_past", "size", "writes")

    def __init__(self) -> None:
        self.by_id: dict[str, list[Entry]] = {}
        self.of_past: dict[str, None] = {}
        self.corrected: dict[str, None] = {}
        self.writes = 0
        self.size = 0
        self.last = Position(0)


class Tail:
    """All writes beyond a position, which rises; for the thread of the event loop.

    ``last``: the newest position that it knows.
    """

    def __init__(self) -> None:
        self._since = Position(0)
        self._files = Position(0)
        self.last = Position(0)
        self._blocks: list[Block] = [Block()]

    @property
    def writes(self) -> int:
        """How many there are."""
        return sum(block.writes for block in self._blocks)

    @property
    def size(self) -> int:
        """How large they are."""
        return sum(block.size for block in self._blocks)

    @property
    def has_gap(self) -> bool:
        """Whether there are writes that neither the files hold nor this."""
        return self._files < self._since

    def begin(self, files: Position, since: Position) -> None:
        """Forget all: the files have reached ``files``, and what follows ``since`` is to come."""
        self._blocks = [Block()]
        self._files, self._since, self.last = files, since, since

    def refill(self, commits: Iterable[Commit], most_bytes: int) -> bool:
        """Take in what the log holds; False as soon as that is more than ``most_bytes``."""
        for commit in commits:
            writes = [(read_write(body).id, body) for body in commit.batch.writes]
            self.take(writes, commit.position)
            if self.size > most_bytes:
                return False
        return True

    def take(self, writes: Sequence[tuple[str, bytes]], position: Position) -> None:
        """Take in one commit: of each write the entity's id and the bytes."""
        block = self._blocks[-1]
        by_id = block.by_id
        size = 0
        for number, (id_, body) in zip(count(numbered(position, 0)), writes, strict=False):
            known = by_id.get(id_)
            if known is None:
                by_id[id_] = [(number, body)]
            else:
                known.append((number, body))
            size += len(body)
            if not body.startswith(_COMMON):
                if body.startswith(_OF_PAST):
                    block.of_past[id_] = None
                if not body.startswith(_PAST):
                    block.corrected[id_] = None
        block.writes += len(writes)
        block.size += size
        block.last = self.last = position
        if block.writes >= _BLOCK_WRITES or block.size >= _BLOCK_BYTES:
            self._blocks.append(Block())
            self._let_go()

    def _let_go(self) -> None:
        while self.size > MOST_BYTES and len(self._blocks) > 1:
            self._since = self._blocks.pop(0).last

    def seal(self) -> None:
        """What comes from now on lies apart, so that what was there can be dropped."""
        if self._blocks[-1].writes:
            self._blocks.append(Block())

    def drop(self, position: Position) -> None:
        """Forget what the files hold, which have reached ``position``."""
        self._files = max(self._files, position)
        while len(self._blocks) > 1 and self._blocks[0].last <= position:
            self._since = self._blocks.pop(0).last

    def seen(self) -> "Seen":
        """What is there now, for a reader in another thread."""
        return Seen(tuple(self._blocks), numbered(Position(self.last + 1), 0))


class Seen:
    """The tail at one moment. ``end``: writes of this number and above came later."""

    def __init__(self, blocks: Sequence[Block], end: int) -> None:
        self._blocks = blocks
        self._end = end

    def of(self, id_: str, start: int) -> list[tuple[int, Write]]:
        """The writes of one entity from a number on, in order."""
        return [
            (number, read_write(body))
            for block in self._blocks
            for number, body in block.by_id.get(id_, ())
            if start <= number < self._end
        ]

    def all(self, start: int) -> Iterator[tuple[int, Write]]:
        """All writes from a number on, those of one entity in order."""
        for block in self._blocks:
            for entries in list(block.by_id.values()):
                for number, body in list(entries):
                    if start <= number < self._end:
                        yield number, read_write(body)

    def of_past(self) -> list[str]:
        """The ids of entities whose past alone was written to."""
        return [id_ for block in self._blocks for id_ in list(block.of_past)]

    def corrected(self) -> list[str]:
        """The ids of entities whose past was changed or forgotten, perhaps in part."""
        return [id_ for block in self._blocks for id_ in list(block.corrected)]
