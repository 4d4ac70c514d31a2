"""Compiling of inner loops: with 16 junctions a call of NumPy costs more than its rows.

A compiled function names its types, so it is compiled where it is defined (once for a machine: the
result is kept beside the source), never in the middle of a tick. It checks no index: it takes rows
that were made from the network, never numbers that a sensor told.
"""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast

import numba
from numba import types

F = TypeVar("F", bound=Callable[..., Any])

NOTHING, COUNT, NUMBER, TRUTH = types.void, types.int64, types.float64, types.boolean
INTS = types.Array(types.int64, 1, "C", readonly=True)
INT_TABLE = types.Array(types.int64, 2, "C", readonly=True)
BOOLS = types.Array(types.boolean, 1, "C", readonly=True)
BOOL_TABLE = types.Array(types.boolean, 2, "C", readonly=True)
INT_BLOCK = types.Array(types.int64, 3, "C", readonly=True)
BOOL_BLOCK = types.Array(types.boolean, 3, "C", readonly=True)
BYTES = types.Array(types.uint8, 1, "C", readonly=True)
SHORTS = types.Array(types.uint16, 1, "C", readonly=True)
FLOATS = types.Array(types.float64, 1, "C", readonly=True)
FLOAT_TABLE = types.Array(types.float64, 2, "C", readonly=True)


class _Compiler(Protocol):
    def __call__(self, function: F, /) -> F: ...


def compiled(result: Any, *arguments: Any) -> _Compiler:
    """Decorator: machine code for just these types; dividing by zero gives what NumPy gives."""
    make = numba.njit(result(*arguments), cache=True, error_model="numpy")
    return cast("_Compiler", make)


VECTOR, TABLE, VECTOR_OF_INTS = types.float64[::1], types.float64[:, ::1], types.int64[::1]
TABLE_OF_INTS, VECTOR_OF_BYTES = types.int64[:, ::1], types.uint8[::1]
VECTOR_OF_BOOLS, TABLE_OF_BOOLS = types.boolean[::1], types.boolean[:, ::1]
"""What compiled functions give, or write into."""
