"""Holds: junctions that a person took by hand, ordered again every tick while the hold lasts.

A cabinet forgets an order that is not renewed, so a hold ends by itself when the centre is gone.
"""

from collections.abc import Mapping

import msgspec
import numpy as np

from cityloop.kernel.clock import CityTime, after
from cityloop.kernel.loop import Orders, Priority
from cityloop.safety.leases import Lease, LeaseBook

HOLDER = "operator"
RENEWED_FOR_S = 10.0


class HoldBook:
    """What people hold, by actuator, with the lease and the action of each.

    ``rows``: actuator → its row in the bank.
    """

    def __init__(self, rows: Mapping[str, int], epoch: int) -> None:
        self._rows = rows
        self._epoch = epoch
        self._leases = LeaseBook(epoch)
        self._actions: dict[str, int] = {}

    def take(self, actuator: str, action: int, now: CityTime, until: CityTime) -> Lease:
        """Hold ``actuator`` at ``action``; another action takes the place of the one before."""
        span_s = (until - now) / 1000
        self._actions[actuator] = action
        return self._leases.take(actuator, HOLDER, Priority.MANUAL, now, span_s)

    def release(self, actuator: str, now: CityTime) -> None:
        """Give ``actuator`` back; nothing happens when it is not held."""
        lease = self._leases.held(actuator, now)
        if lease is not None:
            self._leases.release(lease, now)

    def orders(self, now: CityTime) -> Orders | None:
        """What keeps every hold in force for a little longer; None when nothing is held."""
        held = [lease.actuator for lease in self._leases.all_held(now)]
        if not held:
            return None
        return Orders(
            now,
            after(now, RENEWED_FOR_S),
            self._epoch,
            Priority.MANUAL,
            np.array([self._rows[name] for name in held], dtype=np.int64),
            np.array([self._actions[name] for name in held], dtype=np.int64),
        )

    def held(self, now: CityTime) -> dict[str, tuple[Lease, int]]:
        """Actuator → the lease and action by which it is held."""
        return {
            lease.actuator: (lease, self._actions[lease.actuator])
            for lease in self._leases.all_held(now)
        }

    def save(self, now: CityTime) -> str:
        """The holds in force, as JSON."""
        held = self._leases.all_held(now)
        rows = [(x.actuator, self._actions[x.actuator], now, x.expires_at) for x in held]
        return msgspec.json.encode(rows).decode()

    def load(self, text: str) -> None:
        """Take up what ``save`` gave."""
        rows = msgspec.json.decode(text, type=list[tuple[str, int, CityTime, CityTime]])
        for actuator, action, now, until in rows:
            self.take(actuator, action, now, until)
