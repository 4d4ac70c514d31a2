"""The guard at the centre: refuses early, and with a reason, what a cabinet would refuse anyway."""

import numpy as np

from cityloop.kernel.loop import Ints, Priority
from cityloop.kernel.view import View
from cityloop.safety.envelope import FLASH, LOCK_OUT, SENTENCES, Limits, Refusal, refusals
from cityloop.safety.holders import OPERATOR
from cityloop.safety.timing import Timing
from cityloop.standards.signals import SignalBank

# Plain numbers: a member of an enum is slow to reach, and these are asked for every second.
_MANUAL = int(Priority.MANUAL)
_LEASE_HELD, _OPERATORS_ONLY = int(Refusal.LEASE_HELD), int(Refusal.OPERATORS_ONLY)
_UNKNOWN_PHASE, _UNOBSERVED = int(Refusal.UNKNOWN_PHASE), int(Refusal.UNOBSERVED)

SIGNALS = "signals"
"""Name under which a loop watches SignalController: phase, stage, stageAge, inCharge."""


class SignalGuard:
    """A ``kernel.loop.Guard`` of signals.

    It remembers nothing and judges what the view's table ``signals`` shows, as it will stand when
    an order arrives, ``latency_s`` after the view. Maximum red and pedestrian calls are known to
    the cabinet alone, which has the last word on everything.
    """

    def __init__(self, bank: SignalBank, limits: Limits, latency_s: float = 1.0) -> None:
        self._timing = Timing(bank, limits)
        self._latency_s = latency_s

    @property
    def reasons(self) -> tuple[str, ...]:
        """Refusal code → sentence; code 0 lets pass."""
        return SENTENCES

    def judge(self, rows: Ints, actions: Ints, priority: Priority, view: View) -> Ints:
        """Refusal codes, shape (k,), for ``actions`` at ``rows`` as last observed.

        ``rows`` must be rows of the bank; raises IndexError otherwise.
        """
        signals, timing = view[SIGNALS], self._timing
        codes = np.zeros(len(rows), dtype=np.int64)
        if priority < _MANUAL:
            codes[signals["inCharge"][rows] == OPERATOR] = _LEASE_HELD
            codes[actions < 0] = _OPERATORS_ONLY
        codes[(actions >= timing.phase_count[rows]) | (actions < LOCK_OUT)] = _UNKNOWN_PHASE
        phase, stage, age_s = (signals[name][rows] for name in ("phase", "stage", "stageAge"))
        unheard_s = signals.age_s(view.at)[rows]
        heard = (unheard_s <= timing.limits.silence_s) & np.isfinite(phase + stage + age_s)
        heard &= ((phase >= 0) & (phase < timing.phase_count[rows])) | (phase == FLASH)
        codes[~heard] = _UNOBSERVED
        pick = np.flatnonzero((codes == 0) & ((actions >= 0) | (actions == FLASH)))
        flash = timing.bank.shape[1]
        codes[pick] = refusals(
            timing,
            rows[pick],
            _phases(actions[pick], flash),
            stage[pick].astype(np.int64),
            _phases(phase[pick].astype(np.int64), flash),
            ((age_s + unheard_s)[pick] * 1000 + self._latency_s * 1000).astype(np.int64),
        )
        return codes


def _phases(actions: Ints, flash: int) -> Ints:
    return np.where(actions == FLASH, flash, actions)
