"""The clock on the wall, read in one place."""

import time

from cityloop.kernel.clock import WallTime


def wall_time() -> WallTime:
    """The clock of every process."""
    return WallTime(time.time_ns() // 1_000_000)
