"""How entities evolved: every instance that was written, a fold of the log (design law 1).

One row for each write of an entity, under the latest time of its instances, so that the last ones
are found without reading the others. Corrections and deletions of the past are rows beside them,
laid over what is read; the log keeps what was said before.
"""

from collections.abc import Sequence
from typing import TypeAlias

import apsw
import msgspec

from cityloop.interconnection.broker.held import Written
from cityloop.interconnection.sqlite import number
from cityloop.kernel.ports import Position
from cityloop.standards.cim.kept import MEMBERS, NULL, Attributes, Kept
from cityloop.standards.cim.times import read_datetime
from cityloop.standards.cim.writes import Alter, Delete, Forget, Past, Put, Revise

_SCHEMA = """
CREATE TABLE IF NOT EXISTS history(
    e INTEGER NOT NULL, t INTEGER NOT NULL, n INTEGER NOT NULL, k INTEGER NOT NULL,
    body TEXT NOT NULL, PRIMARY KEY (e, t, n, k)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS history_entities(
    e INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, doc TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS history_revised(
    e INTEGER NOT NULL, instance TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (e, instance)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS history_forgotten(
    e INTEGER NOT NULL, attribute TEXT NOT NULL, dataset TEXT NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (e, attribute, dataset)
) STRICT, WITHOUT ROWID;
"""
"""``history.body``: JSON, the instances of the write ``n`` from the ``k``th on, by attribute and
datasetId. ``history_entities``: entities
of which only the past is known, ``e`` below zero. ``history_forgotten.dataset``: "*" is every."""

_ADD = "INSERT OR REPLACE INTO history VALUES (?, ?, ?, ?, ?)"
_TABLES = ("history", "history_revised", "history_forgotten")
_ID = "urn:ngsi-ld:Instance:"
EVERY = "*"
"""Of ``history_forgotten.dataset``: all instances, whatever their datasetId."""

_Row: TypeAlias = tuple[int, int, int, int, str]

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class History:
    """The fold itself, for the thread of ``connection``; ``evolutions`` reads what it makes.

    The history of an entity that exists lies under its own key; that of others under one below 0.
    """

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._connection.execute(_SCHEMA)

    def fold(self, done: Sequence[Written], position: Position) -> None:
        """Take in one commit; taken in twice, it changes nothing."""
        added: list[_Row] = []
        for place, one in enumerate(done, position << 20):
            write = one.write
            if isinstance(write, Put) and one.after is not None:
                added.append(_row(one.after.key, place, write.kept["attrs"]))
            elif isinstance(write, Alter) and one.after is not None:
                changed = {**write.set, **_deletions(one, write)}
                if changed:
                    added.append(_row(one.after.key, place, changed))
            else:
                self._connection.executemany(_ADD, added)
                added = []
                self._fold_rare(one, place)
        self._connection.executemany(_ADD, added)

    def _fold_rare(self, one: Written, place: int) -> None:
        write = one.write
        if isinstance(write, Delete):
            if one.before is not None:
                self._erase(one.before.key)
            self._erase_past(write.id)
        elif isinstance(write, Past):
            self._add_past(one, write, place)
        elif isinstance(write, Revise):
            self._revise(write)
        elif isinstance(write, Forget):
            self._forget(write, place)

    def _add_past(self, one: Written, write: Past, place: int) -> None:
        key = one.after.key if one.after is not None else self._past_key(write)
        each = [
            {attribute: {dataset: instance}}
            for attribute, instances in write.set.items()
            for dataset, instance in instances
        ]
        added = [_row(key, place, alone, inside) for inside, alone in enumerate(each)]
        self._connection.executemany(_ADD, added)

    def _past_key(self, write: Past) -> int:
        """The key of an entity of which only the past is known; its types become more."""
        known = past_of(self._connection, write.id)
        key = known[0] if known else self._lowest() - 1
        kept: Kept = known[1] if known else {"id": write.id, "type": [], "createdAt": write.at}
        kept["type"] = list(dict.fromkeys([*kept["type"], *write.types]))
        kept["modifiedAt"] = write.at
        if write.scope is not None:
            kept["scope"] = write.scope
        self._connection.execute(
            "INSERT OR REPLACE INTO history_entities VALUES (?, ?, ?)",
            (key, write.id, _encode(kept).decode()),
        )
        return key

    def _lowest(self) -> int:
        return number(self._connection, "SELECT min(e) FROM history_entities")

    def _revise(self, write: Revise) -> None:
        key, _, _ = read_instance_id(write.instance_id) or (0, 0, 0)
        self._connection.execute(
            "INSERT OR REPLACE INTO history_revised VALUES (?, ?, ?)",
            (key, write.instance_id, _encode(write.instance).decode()),
        )

    def _forget(self, write: Forget, place: int) -> None:
        for key in keys_of(self._connection, write.id):
            if write.attribute is None:
                self._erase(key)
            else:
                dataset = EVERY if write.dataset is None else write.dataset
                self._connection.execute(
                    "INSERT OR REPLACE INTO history_forgotten VALUES (?, ?, ?, ?)",
                    (key, write.attribute, dataset, place),
                )
        if write.attribute is None:
            self._erase_past(write.id)

    def _erase(self, key: int) -> None:
        for table in _TABLES:
            self._connection.execute(f"DELETE FROM {table} WHERE e = ?", (key,))

    def _erase_past(self, id_: str) -> None:
        known = past_of(self._connection, id_)
        if known:
            self._erase(known[0])
            self._connection.execute("DELETE FROM history_entities WHERE e = ?", (known[0],))


def past_of(connection: apsw.Connection, id_: str) -> tuple[int, Kept] | None:
    """The key and the description of an entity of which a past is known that is not its own."""
    found = connection.execute(
        "SELECT e, doc FROM history_entities WHERE id = ?", (id_,)
    ).fetchone()
    return (found[0], _decode(found[1])) if found else None


def keys_of(connection: apsw.Connection, id_: str) -> list[int]:
    """The keys under which the history of an entity lies."""
    found = connection.execute(
        "SELECT e FROM entities WHERE id = ?1 UNION ALL "
        "SELECT e FROM history_entities WHERE id = ?1",
        (id_,),
    )
    return [key for (key,) in found]


def _row(key: int, place: int, attributes: Attributes, inside: int = 0) -> _Row:
    latest = 0
    for instances in attributes.values():
        for instance in instances.values():
            told = instance.get("observedAt")
            moment = read_datetime(told) if told else instance["modifiedAt"]
            latest = max(latest, moment)
    return key, latest, place, inside, _encode(attributes).decode()


def _deletions(one: Written, write: Alter) -> Attributes:
    """The instances that tell of a deletion: their value is Null (4.5.6)."""
    gone: Attributes = {}
    for attribute, dataset in write.dropped:
        before = one.before.kept["attrs"].get(attribute, {}).get(dataset) if one.before else None
        if before is None or attribute in write.set:
            continue
        member = MEMBERS[before["type"]]
        gone.setdefault(attribute, {})[dataset] = {
            "type": before["type"],
            member: {"@none": NULL} if member == "languageMap" else NULL,
            "createdAt": before["createdAt"],
            "modifiedAt": write.at,
            "deletedAt": write.at,
        }
    return gone


def instance_id(key: int, place: int, inside: int) -> str:
    """The id of an instance: where it lies."""
    return f"{_ID}{key:x}.{place:x}.{inside:x}"


def read_instance_id(text: str) -> tuple[int, int, int] | None:
    """Where an instance lies by its id; None when it is none of this broker's."""
    parts = text.removeprefix(_ID).split(".")
    if not text.startswith(_ID) or len(parts) != 3:
        return None
    try:
        key, place, inside = (int(part, 16) for part in parts)
    except ValueError:
        return None
    return key, place, inside
