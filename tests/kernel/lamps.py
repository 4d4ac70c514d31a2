"""A street-lamp loop: small, real, and with memory; the kernel's tests turn it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cityloop.kernel.clock import CityTime
from cityloop.kernel.frame import Array, EntityIds, Frame, frame
from cityloop.kernel.loop import Ints, Latest, Loop, Priority, Proposals, Score
from cityloop.kernel.ports import Batch
from cityloop.kernel.reasons import Wording
from cityloop.kernel.view import Memory, View

MEAN = Wording("mean_light", "The mean is {mean:.1f} lx: {action}.")
LAMPS = EntityIds([f"urn:ngsi-ld:Streetlight:{i}" for i in range(3)])


@dataclass(frozen=True)
class Lamps:
    ids: EntityIds = LAMPS


def analyse(view: View, memory: Memory, now: CityTime) -> tuple[Any, Memory]:
    lux = view["lamps"]["illuminanceLevel"]
    if np.nanmax(lux, initial=0) > 1e6:
        raise ArithmeticError("no lamp is that bright")
    mean = 0.9 * memory["mean"] + 0.1 * np.nan_to_num(lux)
    return mean, {"mean": mean, "ticks": memory["ticks"] + 1}


def respond(mean: Array) -> Proposals:
    actions = (mean < 10).astype(np.int64)
    return Proposals(
        LAMPS,
        np.arange(3),
        actions,
        lambda i: MEAN(mean=float(mean[i]), action=int(actions[i])),
    )


LOOP = Loop(
    name="street-lamps",
    version="1",
    watches={"lamps": Latest("Streetlight", ("illuminanceLevel",), "lamps.ids")},
    every_s=1.0,
    start=lambda _: {"mean": np.full(3, 20.0), "ticks": np.array(0)},
    analyse=analyse,
    respond=respond,
    score=Score("lamp hours", "h", lower_is_better=True),
    knows=("lamps",),
)


class Fuse:
    """A guard that keeps the last lamp dark."""

    reasons = ("", "the last lamp has no power")

    def judge(self, rows: Ints, actions: Ints, priority: Priority, view: View) -> Ints:
        return np.where((rows == 2) & (actions == 1), 1, 0)


KNOWS: Mapping[str, Any] = {"lamps": Lamps()}


def lux(second: int, *values: float, run: str = "a") -> Frame:
    return frame(
        "Streetlight", run, CityTime(second * 1000), LAMPS, illuminanceLevel=np.array(values)
    )


def batch(second: int, *values: float, run: str = "a") -> Batch:
    return Batch("lamps", run, second, (lux(second, *values, run=run),))
