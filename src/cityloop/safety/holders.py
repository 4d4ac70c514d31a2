"""Who holds each junction at its cabinet, and whether an order is heard at all."""

import numpy as np

from cityloop.kernel.clock import CityTime, seconds
from cityloop.kernel.frame import Bools
from cityloop.kernel.loop import Orders, Priority
from cityloop.safety.envelope import FLASH, LOCK_OUT, RELEASE, Limits, Refusal
from cityloop.safety.timing import Ints

LOCAL, CENTRE, OPERATOR = 0, 1, 2
"""SignalController.inCharge."""


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
        self._epoch = np.full(count, -(2**62), dtype=np.int64)
        self._issued = np.full((len(Priority) + 1, count), -(2**62), dtype=np.int64)
        self.last_order_at = np.zeros(count, dtype=np.int64)
        self.refusal = np.zeros(count, dtype=np.int64)

    def in_charge(self, now: CityTime) -> Ints:
        """LOCAL, CENTRE or OPERATOR, shape (J,); a locked-out junction is on its local plan."""
        held = (self._until > now) & (self._action != LOCK_OUT)
        return np.where(held, 1 + (self._holder == Priority.MANUAL), LOCAL)

    def flashing(self, now: CityTime) -> Bools:
        """(J,): an operator holds the junction at flash."""
        return np.asarray((self._action == FLASH) & (self._until > now))

    def admission(self, order: Orders, rows: Ints, phase_count: Ints, now: CityTime) -> Ints:
        """Refusal codes, shape (k,), as far as who speaks, when and of what tell."""
        if order.issued_at > now:
            return np.full(len(rows), Refusal.FROM_THE_FUTURE, dtype=np.int64)
        if self._ends(order) <= now:
            return np.full(len(rows), Refusal.EXPIRED, dtype=np.int64)
        actions, priority = order.actions, order.priority
        codes = np.zeros(len(rows), dtype=np.int64)
        # From the weakest reason to the strongest: the last one written is the one told.
        codes[order.issued_at <= self._issued[priority, rows]] = Refusal.ALREADY_TAKEN
        if priority < Priority.MANUAL:
            above = (self._holder[rows] > priority) & (self._until[rows] > now)
            if above.any():
                locked = self._action[rows] == LOCK_OUT
                codes[above] = np.where(locked, Refusal.LOCKED_OUT, Refusal.LEASE_HELD)[above]
        codes[order.epoch < self._epoch[rows]] = Refusal.OLD_EPOCH
        odd = actions < 0
        if odd.any() and priority < Priority.MANUAL:
            codes[odd] = Refusal.OPERATORS_ONLY
        codes[(actions >= phase_count) | (actions < LOCK_OUT)] = Refusal.UNKNOWN_PHASE
        return codes

    def settle(self, order: Orders, rows: Ints, actions: Ints, codes: Ints, now: CityTime) -> None:
        """Book what became of an order at each of ``rows``; all of shape (k,)."""
        self.refusal[rows] = codes
        passed = codes == 0
        if passed.all():
            self._take(order, rows, actions)
            return
        self._take(order, rows[passed], actions[passed])
        heard = rows[codes >= Refusal.IN_CLEARANCE]
        keeps = heard[(self._holder[heard] == order.priority) & (self._until[heard] > now)]
        until = np.minimum(self._ends(order), self.last_order_at[keeps] + self._life)
        self._until[keeps] = np.maximum(self._until[keeps], until)

    def _ends(self, order: Orders) -> int:
        return min(order.expires_at, order.issued_at + self._life)

    def _take(self, order: Orders, rows: Ints, actions: Ints) -> None:
        self._holder[rows] = order.priority
        self._until[rows] = np.where(actions == RELEASE, 0, self._ends(order))
        self._action[rows] = actions
        self._epoch[rows] = order.epoch
        self._issued[order.priority, rows] = order.issued_at
        self.last_order_at[rows] = order.issued_at
