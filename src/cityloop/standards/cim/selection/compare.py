"""When a value meets an operand (GS CIM 009, clause 4.9); both back ends of ``q`` ask here.

Kinds do not mix: a number equals no text, a Boolean no number. A text that denotes an instant meets
another one as an instant, however either is written.
"""

import operator
from collections.abc import Callable
from typing import Any

from cityloop.standards.cim.selection.ast import Operand, Pattern, Range, Scalar, Text, Values
from cityloop.standards.cim.selection.ids import read_pattern
from cityloop.standards.cim.selection.q import instant

Test = Callable[[Any], bool]

_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


def _never(_: Any) -> bool:
    return False


def positive(sign: str) -> str:
    """The operator of which ``sign`` is the opposite, or ``sign`` itself."""
    return {"!=": "==", "!~=": "~="}.get(sign, sign)


def scalar_test(sign: str, operand: Operand) -> Test:
    """Whether one value (no list, no object) meets the operand; ``sign`` is a `positive` one."""
    if isinstance(operand, Pattern):
        found = read_pattern(operand.pattern, "q").search
        return lambda value: type(value) is str and found(value) is not None
    if isinstance(operand, Values):
        tests = [scalar_test(sign, value) for value in operand.values]
        return lambda value: any(test(value) for test in tests)
    if isinstance(operand, Range):
        above, below = scalar_test(">=", operand.low), scalar_test("<=", operand.high)
        return lambda value: above(value) and below(value)
    return _equal(operand) if sign == "==" else _ordered(_ORDER[sign], operand)


def _equal(operand: Scalar) -> Test:
    if isinstance(operand, bool):
        return lambda value: value is operand
    if isinstance(operand, Text):
        text, at = operand.text, operand.at
        if at is None:
            return lambda value: type(value) is str and value == text
        return lambda value: type(value) is str and instant(value) == at
    return lambda value: type(value) in (int, float) and value == operand


def _ordered(holds: Callable[[Any, Any], bool], operand: Scalar) -> Test:
    if not isinstance(operand, Text):
        return lambda value: type(value) in (int, float) and holds(value, operand)
    text, at = operand.text, operand.at
    if at is None:
        return lambda value: type(value) is str and holds(value, text)

    def later(value: Any) -> bool:
        moment = instant(value) if type(value) is str else None
        return moment is not None and holds(moment, at)

    return later


def stamp_test(sign: str, operand: Operand) -> Test:
    """Whether an instant [ms] meets the operand; an operand that is none is met by no instant."""
    if isinstance(operand, Text) and operand.at is not None:
        at = operand.at
        if sign == "==":
            return lambda value: bool(value == at)
        if sign in _ORDER:
            holds = _ORDER[sign]
            return lambda value: holds(value, at)
    if isinstance(operand, Range):
        above, below = stamp_test(">=", operand.low), stamp_test("<=", operand.high)
        return lambda value: above(value) and below(value)
    if isinstance(operand, Values):
        tests = [stamp_test("==", value) for value in operand.values]
        return lambda value: any(test(value) for test in tests)
    return _never
