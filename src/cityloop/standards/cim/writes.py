"""What an operation of the API does to one entity: the record of it in the log.

A Write says what stands afterwards, never what was asked for, so a replay needs no rules:
``applied`` is all of it. As bytes a Write is a JSON array that begins with its kind.
"""

from typing import TypeAlias

import msgspec

from cityloop.kernel.errors import InputError
from cityloop.standards.cim.kept import Attributes, Instance, Kept


class Put(msgspec.Struct, array_like=True, frozen=True, tag="put"):
    """An entity is created, or takes the place of the one with its id."""

    kept: Kept

    @property
    def id(self) -> str:
        """The entity's id."""
        name: str = self.kept["id"]
        return name

    @property
    def at(self) -> int:
        """When it was written, in ms of wall time."""
        moment: int = self.kept["modifiedAt"]
        return moment


class Alter(msgspec.Struct, array_like=True, frozen=True, tag="alter"):
    """Some instances of an entity's attributes are set (whole), others dropped.

    ``types``, ``scope`` and ``expires`` stand afterwards; None leaves them as they are, an empty
    ``scope`` or ``expires`` removes it. ``at``: the entity's new ``modifiedAt``. ``was``: of each
    of ``dropped`` its kind and ``createdAt``, which its history goes on to tell.
    """

    id: str
    at: int
    set: Attributes
    dropped: tuple[tuple[str, str], ...] = ()
    types: list[str] | None = None
    scope: list[str] | None = None
    expires: str | None = None
    was: tuple[tuple[str, int], ...] = ()


class Delete(msgspec.Struct, array_like=True, frozen=True, tag="delete"):
    """An entity is gone.

    ``types`` and ``created`` were its own: its history goes on to tell of it. Without types that
    goes with it.
    """

    id: str
    at: int
    types: list[str] = []
    created: int = 0


class Past(msgspec.Struct, array_like=True, frozen=True, tag="past"):
    """Instances enter the history of an entity (5.6.11, 5.6.12); what is now stays as it is.

    ``set``: by attribute, each with its datasetId. ``types`` and ``scope``: of the history.
    """

    id: str
    at: int
    set: dict[str, list[tuple[str, Instance]]]
    types: list[str] = []
    scope: list[str] | None = None


class Revise(msgspec.Struct, array_like=True, frozen=True, tag="revise"):
    """One instance of the history is replaced (5.6.14), or deleted: ``instance`` None (5.6.15)."""

    id: str
    at: int
    instance_id: str
    instance: Instance | None = None


class Forget(msgspec.Struct, array_like=True, frozen=True, tag="forget"):
    """What lies before is no longer part of the history (5.6.13, 5.6.16).

    Of all of it, of an ``attribute``, or of one ``dataset`` of that ("": the default one).
    """

    id: str
    at: int
    attribute: str | None = None
    dataset: str | None = None


Write: TypeAlias = Put | Alter | Delete | Past | Revise | Forget
OF_HISTORY = (Past, Revise, Forget)
"""The writes that leave an entity as it is now."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Write).decode
write_kept = _encode
"""A kept entity as JSON."""
_decode_kept = msgspec.json.Decoder(dict).decode


def read_kept(body: bytes | str) -> Kept:
    """The kept entity that ``write_kept`` wrote."""
    return _decode_kept(body)


def write_put(kept: bytes) -> bytes:
    """A Put as bytes, of a kept entity that is bytes already."""
    return b'["put",%b]' % kept


def write_write(write: Write) -> bytes:
    """``write`` as bytes; raises OverflowError for an integer beyond 64 bits."""
    return _encode(write)


def read_write(body: bytes) -> Write:
    """The Write that ``write_write`` wrote; raises InputError when ``body`` is none."""
    try:
        write: Write = _decode(body)
    except msgspec.MsgspecError as error:
        raise InputError(f"not a write of the API: {error}") from error
    return write


def applied(kept: Kept | None, write: Write) -> Kept | None:
    """The entity after ``write``, None when it is gone; ``kept`` is not touched.

    Raises ValueError when an entity is altered that does not exist.
    """
    if isinstance(write, Put):
        return write.kept
    if isinstance(write, Delete):
        return None
    if isinstance(write, OF_HISTORY):
        return kept
    if kept is None:
        raise ValueError(f"{write.id} is altered but does not exist")
    after = {**kept, "modifiedAt": write.at, "attrs": _altered(kept["attrs"], write)}
    if write.types is not None:
        after["type"] = write.types
    for name, value in (("scope", write.scope), ("expiresAt", write.expires)):
        if value:
            after[name] = value
        elif value is not None:
            after.pop(name, None)
    return after


def _altered(attributes: Attributes, write: Alter) -> Attributes:
    after = dict(attributes)
    for attribute, dataset in write.dropped:
        left = {name: held for name, held in after.get(attribute, {}).items() if name != dataset}
        if left:
            after[attribute] = left
        else:
            after.pop(attribute, None)
    for attribute, instances in write.set.items():
        held: dict[str, Instance] | None = after.get(attribute)
        after[attribute] = {**held, **instances} if held else instances
    return after
