"""Who holds an actuator at the centre: one holder at a time, with class, expiry and epoch."""

from dataclasses import dataclass

from cityloop.kernel.clock import CityTime, after, iso
from cityloop.kernel.errors import RefusedError
from cityloop.kernel.loop import Priority
from cityloop.kernel.reasons import Wording

HELD = Wording(
    "lease_held_by",
    "{actuator} is held by {holder} ({priority}) until {until}; ask for a release or wait",
)


@dataclass(frozen=True, slots=True)
class Lease:
    """``holder`` (a loop or a person) may act on ``actuator`` until ``expires_at``.

    ``epoch`` names the start of the centre that gave it: a cabinet that has heard a newer one
    obeys no older.
    """

    actuator: str
    holder: str
    priority: Priority
    expires_at: CityTime
    epoch: int


class LeaseBook:
    """The leases one start of the centre has given; ``epoch`` rises with every start.

    A lease is lost at its expiry, on release, or to a higher class; a holder sees the loss when it
    renews. Leases are not kept over a restart: every holder takes its own again.
    """

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self._leases: dict[str, Lease] = {}

    def held(self, actuator: str, now: CityTime) -> Lease | None:
        """The lease in force on ``actuator``, if any."""
        lease = self._leases.get(actuator)
        return lease if lease is not None and lease.expires_at > now else None

    def all_held(self, now: CityTime) -> tuple[Lease, ...]:
        """Every lease in force, by actuator."""
        return tuple(
            self._leases[name] for name in sorted(self._leases) if self.held(name, now) is not None
        )

    def take(
        self, actuator: str, holder: str, priority: Priority, now: CityTime, span_s: float
    ) -> Lease:
        """Take ``actuator`` for ``span_s`` seconds; a holder that has it already renews it.

        Raises RefusedError while another holds it with the same or a higher class.
        """
        current = self.held(actuator, now)
        if current is not None and current.holder != holder and current.priority >= priority:
            class_, until = current.priority.name.lower(), iso(current.expires_at)
            raise RefusedError(
                HELD(actuator=actuator, holder=current.holder, priority=class_, until=until)
            )
        lease = Lease(actuator, holder, priority, after(now, span_s), self.epoch)
        self._leases[actuator] = lease
        return lease

    def renew(self, lease: Lease, now: CityTime, span_s: float) -> Lease:
        """Hold on for ``span_s`` seconds from now; raises RefusedError when ``lease`` is lost."""
        self._expect(lease, now)
        return self.take(lease.actuator, lease.holder, lease.priority, now, span_s)

    def release(self, lease: Lease, now: CityTime) -> None:
        """Give the actuator up; raises RefusedError when ``lease`` was lost before."""
        self._expect(lease, now)
        del self._leases[lease.actuator]

    def _expect(self, lease: Lease, now: CityTime) -> None:
        current = self.held(lease.actuator, now)
        if current is None or current.holder != lease.holder or lease.epoch != self.epoch:
            raise RefusedError(
                f"{lease.holder} no longer holds {lease.actuator}; take it again if it must"
            )
