"""An entity as the store holds it, and what one write made of it."""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from cityloop.standards.cim.alike import Draft
from cityloop.standards.cim.kept import Kept
from cityloop.standards.cim.times import read_datetime
from cityloop.standards.cim.writes import (
    Put,
    Write,
    read_kept,
    read_write,
    write_kept,
    write_put,
    write_write,
)

Row: TypeAlias = tuple[int, str, str, str, int, int, int | None]
"""Of the table ``entities``: key, id, types, doc, created, modified, expires."""


class Held:
    """One state of one entity. What reading it needs is decoded when first asked for.

    ``key``: its row, given once and never again. ``types``: its types, one a line, as they are
    kept. ``expires``: ms of wall time, None where it stays.
    """

    __slots__ = ("_doc", "_kept", "created", "expires", "id", "key", "modified", "types")

    def __init__(self, key: int, kept: Kept) -> None:
        self.key = key
        self.id: str = kept["id"]
        self.types = "\n".join(kept["type"])
        self.created: int = kept["createdAt"]
        self.modified: int = kept["modifiedAt"]
        self.expires = expires_of(kept)
        self._doc = ""
        self._kept: Kept | None = kept

    @classmethod
    def stored(cls, row: Row) -> "Held":
        """The entity that a row of the table holds."""
        held: Held = cls.__new__(cls)
        held.key, held.id, held.types, held._doc, held.created, held.modified, held.expires = row
        held._kept = None
        return held

    @property
    def kept(self) -> Kept:
        """Its kept form."""
        if self._kept is None:
            self._kept = read_kept(self._doc)
        return self._kept

    @property
    def doc(self) -> str:
        """Its kept form as JSON."""
        if not self._doc:
            self.encode()
        return self._doc

    def encode(self) -> bytes:
        """``doc`` as bytes, written now; raises OverflowError for an integer beyond 64 bits."""
        body = write_kept(self.kept)
        self._doc = body.decode()
        return body

    def row(self) -> Row:
        """Its row of the table."""
        head = self.key, self.id, self.types, self.doc
        return *head, self.created, self.modified, self.expires


class Written:
    """What one write made of one entity: ``before`` None is new, ``after`` None is gone.

    ``id``: the entity's. ``body``: the write as the log holds it.
    """

    __slots__ = ("_write", "after", "before", "body", "id")

    def __init__(
        self, before: Held | None, after: Held | None, write: Write | None, body: bytes, id_: str
    ) -> None:
        self.before = before
        self.after = after
        self.body = body
        self.id = id_
        self._write = write

    @property
    def write(self) -> Write:
        """The write itself, decoded when first asked for."""
        if self._write is None:
            self._write = read_write(self.body)
        return self._write


def written(before: Held | None, after: Held | None, write: Write) -> Written:
    """``write`` with its bytes; raises OverflowError for an integer beyond 64 bits."""
    # Encoded now, so that what cannot be kept is refused before it is queued.
    body = b"" if after is None else after.encode()
    body = write_put(body) if isinstance(write, Put) else write_write(write)
    return Written(before, after, write, body, write.id)


def drafted(key: int, before: Held | None, draft: Draft) -> Written:
    """The Put of an entity that is text already, under ``key``, in the place of ``before``."""
    created = draft.at if before is None else before.created
    doc = draft.doc(created)
    after = Held.stored((key, draft.id, draft.types, doc, created, draft.at, None))
    return Written(before, after, None, write_put(doc.encode()), draft.id)


def expires_of(kept: Kept) -> int | None:
    """When an entity vanishes, in ms; None where it stays."""
    told = kept.get("expiresAt")
    return read_datetime(told) if told else None


States: TypeAlias = dict[int, Held | None]
"""By key what an entity is; None where it is not."""


def first_and_last(done: Iterable[Written]) -> tuple[States, States]:
    """What each entity was before all that was done to it, and what it is after that."""
    first: States = {}
    last: States = {}
    for one in done:
        if one.before is not None:
            first.setdefault(one.before.key, one.before)
            if one.after is None:
                last[one.before.key] = None
        if one.after is not None:
            first.setdefault(one.after.key, None)
            last[one.after.key] = one.after
    return first, last


def changed_types(
    first: Mapping[int, Held | None], last: Mapping[int, Held | None]
) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """Types with the keys of entities that had them before and may not have them now, and that
    have them now."""
    removed: list[tuple[str, int]] = []
    added: list[tuple[str, int]] = []
    for key, after in last.items():
        before = first[key]
        if before is not None and after is not None and before.types == after.types:
            continue
        if before is not None:
            removed += [(type_, key) for type_ in before.types.split("\n")]
        if after is not None:
            added += [(type_, key) for type_ in after.types.split("\n")]
    return removed, added
