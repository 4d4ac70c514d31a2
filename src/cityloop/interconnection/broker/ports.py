"""What a broker asks of a store: small contracts that SQLite and PostgreSQL fulfil alike.

All methods raise OSError while the store cannot be reached or written, BusyError where another
process holds it, CorruptError where what is stored fails its check. What was raised from a
transaction has not happened, or is found by ``State.position`` when it has.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from cityloop.interconnection.broker.held import Held, Written
from cityloop.interconnection.database import Database
from cityloop.kernel.ports import Log, Position
from cityloop.standards.cim.asked import Asked
from cityloop.standards.cim.found import Described, Found
from cityloop.standards.cim.selection.ast import Selection


class Discovery(Protocol):
    """What types and attributes there are at ``now`` [ms] (GS CIM 009, 5.7.5 to 5.7.10); all names
    are expanded."""

    def type_names(self, now: int) -> list[str]:
        """All types that an entity has."""
        ...

    def attribute_names(self, now: int) -> list[str]:
        """All attributes that an entity has."""
        ...

    def attributes_by_type(self, now: int) -> dict[str, set[str]]:
        """Of every type, the attributes that its entities have."""
        ...

    def types_by_attribute(self, now: int) -> dict[str, set[str]]:
        """Of every attribute, the types of the entities that have it."""
        ...

    def described_type(self, type_: str, now: int) -> Described | None:
        """A type: how many entities have it, each attribute's kinds; None where none has it."""
        ...

    def described_attribute(self, name: str, now: int) -> Described | None:
        """An attribute: how many entities have it, its kinds by type; None where none has it."""
        ...


class Reader(Discovery, Protocol):
    """Reads many entities at once; of one tenant, for one thread. ``now``: ms of wall time."""

    def answer(self, asked: Asked, now: int) -> Found:
        """The page that is asked for, in the order in which the entities were created."""
        ...

    def ids(self, selection: Selection, now: int) -> list[str]:
        """The ids of all entities that are meant."""
        ...

    def documents(self, ids: Iterable[str], now: int) -> list[str]:
        """The entities with these ids as JSON, as far as they exist, in no order."""
        ...

    def document(self, id_: str) -> str | None:
        """One entity as JSON, though its time may have come; None where there is none."""
        ...

    def snapshot(self) -> AbstractContextManager[object]:
        """All reading within sees the same state."""
        ...

    def close(self) -> None:
        """Let go of the store."""
        ...


class State(Protocol):
    """The entities of a tenant as they are now, a fold of its log; for one thread."""

    @property
    def place(self) -> str:
        """Where they are, for people."""
        ...

    @property
    def database(self) -> Database:
        """The tables that lie beside them, written in one transaction with them."""
        ...

    @property
    def reader(self) -> Reader:
        """Reads what is written, in the same thread."""
        ...

    @property
    def position(self) -> Position:
        """The log position that the tables have reached."""
        ...

    @property
    def sequence(self) -> int:
        """Of the newest batch of the API that the tables hold, where ``count`` says so."""
        ...

    def renew(self) -> bool:
        """Reach the tables again where they were lost; whether they were: then they may have
        forgotten the newest of what they took in, and the log is to be folded again."""
        ...

    def count(self, sequence: int) -> None:
        """Note which batch of the API is taken in; within a transaction of the caller."""
        ...

    def reach(self, position: Position) -> None:
        """Note the position that the tables have reached; within a transaction of the caller."""
        ...

    def next_key(self) -> int:
        """A key that no entity ever had since the tables were opened."""
        ...

    def find(self, id_: str) -> Held | None:
        """The entity with an id."""
        ...

    def find_many(self, ids: Sequence[str]) -> dict[str, Held]:
        """Those of ``ids`` that exist, by id."""
        ...

    def expired(self, now: int, limit: int) -> list[str]:
        """The ids of some entities whose time has come."""
        ...

    def apply(self, done: Iterable[Written], position: Position) -> None:
        """Take in what the log holds at ``position``; within a transaction of the caller."""
        ...

    def next_number(self) -> int | None:
        """A number for a row of the outbox, above all before and never given again; None where the
        table numbers its rows."""
        ...

    def open_reader(self) -> Reader:
        """Another reader, for another thread."""
        ...

    @property
    def heavy(self) -> bool:
        """Whether ``checkpoint`` has something to do."""
        ...

    def checkpoint(self) -> None:
        """Do what would hold up writing, beside it; from any thread."""
        ...

    def close(self) -> None:
        """Let go of the tables."""
        ...


class StoreLog(Log, Protocol):
    """The log of a store, which lets go of it at the end."""

    def close(self) -> None:
        """Let go of the files."""
        ...


class BrokerTables(Protocol):
    """Where one tenant of a broker keeps what it knows; each part is opened once, and closed by
    whom it is given to."""

    @property
    def folder(self) -> Path:
        """On this machine: for files that are folds of the log."""
        ...

    @property
    def log_place(self) -> str:
        """Where the log lies, for other processes."""
        ...

    def log(self) -> StoreLog:
        """A log of its own."""
        ...

    def state(self) -> State:
        """Its entities, and the outbox beside them."""
        ...

    def register(self) -> tuple[Database, int]:
        """The tables of its subscriptions, durable when a transaction ends; and the highest number
        that may have been given to one."""
        ...
