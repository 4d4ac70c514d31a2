"""Who holds each junction at its cabinet, and whether an order is heard at all."""

from dataclasses import replace

import numpy as np

from cityloop.kernel.clock import CityTime, seconds
from cityloop.kernel.compiled import COUNT, INT_TABLE, INTS, VECTOR_OF_INTS, compiled
from cityloop.kernel.frame import Bools
from cityloop.kernel.loop import Orders, Priority
from cityloop.safety.envelope import FLASH, LOCK_OUT, RELEASE, Limits, Refusal
from cityloop.safety.timing import Ints

LOCAL, CENTRE, OPERATOR = 0, 1, 2
"""SignalController.inCharge."""

_MOST = 2**62
NEVER = -_MOST
_MANUAL = int(Priority.MANUAL)
_UNKNOWN_PHASE, _OPERATORS_ONLY = int(Refusal.UNKNOWN_PHASE), int(Refusal.OPERATORS_ONLY)
_OLD_EPOCH, _LEASE_HELD = int(Refusal.OLD_EPOCH), int(Refusal.LEASE_HELD)
_LOCKED_OUT, _ALREADY_TAKEN = int(Refusal.LOCKED_OUT), int(Refusal.ALREADY_TAKEN)
_IN_CLEARANCE = int(Refusal.IN_CLEARANCE)
_CLASSES = len(Priority) + 1


def addressed(order: Orders, count: int) -> Orders:
    """``order`` without rows outside ``count`` and without those it names a second time.

    Columns that do not match, or are no integers, address nobody.
    """
    rows, actions = order.rows, order.actions
    kinds = {rows.dtype.kind, actions.dtype.kind}
    if rows.shape != actions.shape or rows.ndim != 1 or not kinds <= {"i", "u"}:
        nobody = np.zeros(0, dtype=np.int64)
        return replace(order, rows=nobody, actions=nobody)
    if not (_is_plain(rows) and _is_plain(actions)):
        rows, actions = _plain(rows), _plain(actions)
        order = replace(order, rows=rows, actions=actions)
    if rows.size and rows[0] >= 0 and rows[-1] < count and bool((rows[1:] > rows[:-1]).all()):
        return order
    first = np.unique(rows, return_index=True)[1]
    first = first[(rows[first] >= 0) & (rows[first] < count)]
    return replace(order, rows=rows[first], actions=actions[first])


def _is_plain(numbers: Ints) -> bool:
    flags = numbers.flags
    return numbers.dtype == np.int64 and flags.c_contiguous and flags.aligned


def _plain(numbers: Ints) -> Ints:
    """As compiled functions take them; what is too great for that stays greater than any row."""
    if numbers.dtype.kind == "u":
        numbers = np.minimum(numbers, numbers.dtype.type(min(_MOST, np.iinfo(numbers.dtype).max)))
    return np.array(numbers, dtype=np.int64)


class Holders:
    """The lease of each of ``count`` junctions as its cabinet sees it.

    An order holds its junction until it expires, at most ``order_life_s`` after it was issued. An
    order that is heard but cannot be carried out just now lets its class keep the junction, yet no
    longer than ``order_life_s`` after the last one carried out: a centre whose every order is
    refused loses the junction to the local plan.
    """

    def __init__(self, count: int, limits: Limits) -> None:
        self._life = seconds(limits.order_life_s)
        self._holder = np.zeros(count, dtype=np.int64)
        self._until = np.zeros(count, dtype=np.int64)
        self._action = np.zeros(count, dtype=np.int64)
        self._epoch = np.full(count, NEVER, dtype=np.int64)
        self._issued = np.full((_CLASSES, count), NEVER, dtype=np.int64)
        # No operator holds any junction from then on: so it is, most seconds.
        self._manual_until = NEVER
        self.last_order_at = np.zeros(count, dtype=np.int64)
        self.refusal = np.zeros(count, dtype=np.int64)

    def in_charge(self, now: CityTime) -> Ints:
        """LOCAL, CENTRE or OPERATOR, shape (J,); a locked-out junction is on its local plan."""
        held = self._until > now
        if self._manual_until <= now:
            return held.astype(np.int64)
        held &= self._action != LOCK_OUT
        return np.where(held, np.where(self._holder == _MANUAL, OPERATOR, CENTRE), LOCAL)

    def locked(self, now: CityTime) -> Bools:
        """(J,): an operator has locked the junction out; its local plan runs."""
        return np.asarray((self._action == LOCK_OUT) & (self._until > now))

    def flashing(self, now: CityTime) -> Bools:
        """(J,): an operator holds the junction at flash."""
        return np.asarray((self._action == FLASH) & (self._until > now))

    def admission(self, order: Orders, phase_count: Ints, now: CityTime) -> Ints:
        """Refusal codes, shape (k,), as far as who speaks, when and of what tell.

        ``phase_count``: (k,), how many phases each addressed junction has.
        """
        rows, actions, priority = order.rows, order.actions, order.priority
        if order.issued_at > now:
            return np.full(len(rows), Refusal.FROM_THE_FUTURE, dtype=np.int64)
        if self._ends(order) <= now:
            return np.full(len(rows), Refusal.EXPIRED, dtype=np.int64)
        held = self._holder, self._until, self._action, self._epoch, self._issued
        said = int(priority), order.issued_at, _epoch_of(order), now
        return _admission(rows, actions, phase_count, *held, *said)

    def settle(self, order: Orders, codes: Ints, now: CityTime) -> int:
        """Book what became of ``order``: codes, shape (k,), 0 where it is carried out; how many are
        refused."""
        ends, priority = self._ends(order), int(order.priority)
        if order.issued_at > now or ends <= now:
            self.refusal[order.rows] = codes
            return len(codes)
        if priority == _MANUAL:
            self._manual_until = max(self._manual_until, ends)
        held = self._holder, self._until, self._action, self._epoch, self._issued[priority]
        said = priority, order.issued_at, _epoch_of(order), ends, self._life, now
        told = order.rows, order.actions, codes
        return _settle(*told, *held, self.last_order_at, self.refusal, *said)

    def _ends(self, order: Orders) -> int:
        return min(order.expires_at, order.issued_at + self._life)


def _epoch_of(order: Orders) -> int:
    return min(max(order.epoch, NEVER), _MOST)


@compiled(VECTOR_OF_INTS, *[INTS] * 7, INT_TABLE, *[COUNT] * 4)
def _admission(
    rows: Ints,
    actions: Ints,
    phase_count: Ints,
    holder: Ints,
    until: Ints,
    action: Ints,
    epoch: Ints,
    issued: Ints,
    priority: int,
    issued_at: int,
    order_epoch: int,
    now: int,
) -> Ints:
    codes = np.zeros(len(rows), dtype=np.int64)
    for i in range(len(rows)):
        j, wanted = rows[i], actions[i]
        # From the strongest reason to the weakest.
        if wanted >= phase_count[i] or wanted < LOCK_OUT:
            codes[i] = _UNKNOWN_PHASE
        elif wanted < 0 and priority < _MANUAL:
            codes[i] = _OPERATORS_ONLY
        elif order_epoch < epoch[j]:
            codes[i] = _OLD_EPOCH
        elif holder[j] > priority and until[j] > now:
            codes[i] = _LOCKED_OUT if action[j] == LOCK_OUT else _LEASE_HELD
        elif issued_at <= issued[priority, j]:
            codes[i] = _ALREADY_TAKEN
    return codes


@compiled(COUNT, INTS, INTS, INTS, *[VECTOR_OF_INTS] * 7, *[COUNT] * 6)
def _settle(
    rows: Ints,
    actions: Ints,
    codes: Ints,
    holder: Ints,
    until: Ints,
    action: Ints,
    epoch: Ints,
    issued: Ints,
    last_order_at: Ints,
    refusal: Ints,
    priority: int,
    issued_at: int,
    order_epoch: int,
    ends: int,
    life: int,
    now: int,
) -> int:
    refused = 0
    for i in range(len(rows)):
        j = rows[i]
        refusal[j] = codes[i]
        if codes[i] == 0:
            holder[j], action[j], epoch[j] = priority, actions[i], order_epoch
            until[j] = 0 if actions[i] == RELEASE else ends
            issued[j] = last_order_at[j] = issued_at
            continue
        refused += 1
        if codes[i] >= _IN_CLEARANCE and holder[j] == priority and until[j] > now:
            until[j] = max(until[j], min(ends, last_order_at[j] + life))
    return refused
