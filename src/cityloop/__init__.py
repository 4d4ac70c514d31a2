"""A city as a set of closed loops: perceive, interconnect, analyse, react, measure what changed.

What stands in ``__all__`` is what a loop needs, and is public; all else may change.
"""

from cityloop.kernel.clock import CityTime
from cityloop.kernel.errors import CityloopError
from cityloop.kernel.frame import EntityIds, Frame
from cityloop.kernel.loop import Latest, Loop, Mode, Priority, Proposals, Score
from cityloop.kernel.reasons import Reason, Wording
from cityloop.kernel.view import Memory, Table, View

__version__ = "0.1.0"

__all__ = [
    "CityTime",
    "CityloopError",
    "EntityIds",
    "Frame",
    "Latest",
    "Loop",
    "Memory",
    "Mode",
    "Priority",
    "Proposals",
    "Reason",
    "Score",
    "Table",
    "View",
    "Wording",
    "__version__",
]
