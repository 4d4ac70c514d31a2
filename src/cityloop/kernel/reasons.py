"""Reasons: why something was decided, as a sentence for people and as numbers for programs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

Number = float | int | str | None
_DECIMALS = 3


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason: the ``code`` of its wording, the numbers that made it, the English sentence."""

    code: str
    numbers: Mapping[str, Number]
    sentence: str

    def written(self) -> str:
        """Code and numbers as JSON, the form in which the record keeps them."""
        return msgspec.json.encode({"code": self.code, "numbers": self.numbers}).decode()


@dataclass(frozen=True, slots=True)
class Wording:
    """How reasons of one kind are told: a code that translations hang on, an English template.

    ``template``: in the syntax of ``str.format``, over the numbers by name. A code keeps its
    meaning and its numbers for ever, since records name it; what means something else gets another.
    """

    code: str
    template: str

    def __call__(self, **numbers: Number) -> Reason:
        """The reason that these numbers make; fractions are kept to the third decimal.

        Raises KeyError when the template names a number that is missing.
        """
        sentence = self.template.format(**numbers)
        kept = {
            name: round(float(value), _DECIMALS) if isinstance(value, float) else value
            for name, value in numbers.items()
        }
        return Reason(self.code, kept, sentence)


def clauses(reasons: Iterable[Reason]) -> str:
    """Several reasons as one sentence's clauses."""
    return "; ".join(reason.sentence for reason in reasons)
