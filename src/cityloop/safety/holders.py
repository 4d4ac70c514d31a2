"""Who holds each junction at its cabinet, and whether an order is heard at all."""

from dataclasses import replace

import numpy as np

from cityloop.kernel.clock import CityTime, seconds
from cityloop.kernel.frame import Bools
from cityloop.kernel.loop import Orders, Priority
from cityloop.safety.envelope import FLASH, LOCK_OUT, RELEASE, Limits, Refusal
from cityloop.safety.timing import Ints

LOCAL, CENTRE, OPERATOR = 0, 1, 2
"""SignalController.inCharge."""

NEVER = -(2**62)
_MANUAL = int(Priority.MANUAL)
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
    if rows.size and rows[0] >= 0 and rows[-1] < count and bool((rows[1:] > rows[:-1]).all()):
        return order
    first = np.unique(rows, return_index=True)[1]
    first = first[(rows[first] >= 0) & (rows[first] < count)]
    return replace(order, rows=rows[first], actions=actions[first])


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
        # The newest of each over all junctions: most seconds they show that nothing can be wrong.
        self._newest_epoch = NEVER
        self._newest_issue = [NEVER] * _CLASSES
        self._held_until = [NEVER] * _CLASSES
        self.last_order_at = np.zeros(count, dtype=np.int64)
        self.refusal = np.zeros(count, dtype=np.int64)

    def in_charge(self, now: CityTime) -> Ints:
        """LOCAL, CENTRE or OPERATOR, shape (J,); a locked-out junction is on its local plan."""
        held = self._until > now
        if self._held_until[_MANUAL] <= now:
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
        codes = np.zeros(len(rows), dtype=np.int64)
        # From the weakest reason to the strongest: the last one written is the one told.
        if order.issued_at <= self._newest_issue[priority]:
            codes[order.issued_at <= self._issued[priority, rows]] = Refusal.ALREADY_TAKEN
        if max(self._held_until[priority + 1 :], default=NEVER) > now:
            above = (self._holder[rows] > priority) & (self._until[rows] > now)
            locked = self._action[rows] == LOCK_OUT
            codes[above] = np.where(locked, Refusal.LOCKED_OUT, Refusal.LEASE_HELD)[above]
        if order.epoch < self._newest_epoch:
            codes[order.epoch < self._epoch[rows]] = Refusal.OLD_EPOCH
        odd = (actions < 0) | (actions >= phase_count)
        if odd.any():
            if priority < _MANUAL:
                codes[odd] = Refusal.OPERATORS_ONLY
            codes[(actions >= phase_count) | (actions < LOCK_OUT)] = Refusal.UNKNOWN_PHASE
        return codes

    def settle(self, order: Orders, codes: Ints, refused: int, now: CityTime) -> None:
        """Book what became of ``order``: codes, shape (k,), of which ``refused`` are not 0."""
        self.refusal[order.rows] = codes
        if not refused:
            self._take(order, order.rows, order.actions)
            return
        passed = codes == 0
        self._take(order, order.rows[passed], order.actions[passed])
        heard = order.rows[codes >= Refusal.IN_CLEARANCE]
        keeps = heard[(self._holder[heard] == order.priority) & (self._until[heard] > now)]
        until = np.minimum(self._ends(order), self.last_order_at[keeps] + self._life)
        self._until[keeps] = np.maximum(self._until[keeps], until)

    def _ends(self, order: Orders) -> int:
        return min(order.expires_at, order.issued_at + self._life)

    def _take(self, order: Orders, rows: Ints, actions: Ints) -> None:
        if not rows.size:
            return
        ends, priority = self._ends(order), order.priority
        self._holder[rows] = priority
        self._until[rows] = ends if actions.min() >= 0 else np.where(actions == RELEASE, 0, ends)
        self._action[rows] = actions
        self._epoch[rows] = order.epoch
        self._issued[priority, rows] = self.last_order_at[rows] = order.issued_at
        self._newest_epoch = max(self._newest_epoch, order.epoch)
        self._newest_issue[priority] = max(self._newest_issue[priority], order.issued_at)
        self._held_until[priority] = max(self._held_until[priority], ends)
