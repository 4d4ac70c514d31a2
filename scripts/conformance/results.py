"""What the suite found, case by case, and as tables."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_SINCE = re.compile(r"since_v?([\d.]+)$")
_CLAUSE = re.compile(r"[A-Z]?\d+(_\d+)*$|[A-Z]_\d")


@dataclass(frozen=True, slots=True)
class Case:
    """One case of the suite. ``file`` within the checkout; ``message``: why it did not pass."""

    name: str
    file: str
    status: str
    tags: tuple[str, ...]
    message: str

    @property
    def id(self) -> str:
        """Its name among all cases."""
        return f"{self.file}::{self.name}"

    @property
    def folder(self) -> str:
        """Two levels of folders below the suite's own."""
        return "/".join(Path(self.file).parts[2:-1][:2])

    @property
    def since(self) -> str:
        """The version of the standard that brought what it tries; ``before`` when unnamed."""
        return next((m[1] for tag in self.tags if (m := _SINCE.match(tag))), "before")

    @property
    def operations(self) -> list[str]:
        """Its tags that name an operation."""
        return [tag for tag in self.tags if not _SINCE.match(tag) and not _CLAUSE.match(tag)]


def cases(found: Mapping[str, Any], suite: Path) -> list[Case]:
    """All cases of Robot's result, in the suite's order."""
    return list(_cases(found["suite"], suite))


def _cases(node: Mapping[str, Any], suite: Path) -> Iterator[Case]:
    for test in node.get("tests", ()):
        file = str(Path(node["source"]).relative_to(suite))
        message = " ".join(test.get("message", "").split())
        yield Case(test["name"], file, test["status"], tuple(test.get("tags", ())), message)
    for inner in node.get("suites", ()):
        yield from _cases(inner, suite)


Table = dict[str, tuple[int, int]]
"""Name → cases that passed, all cases."""


def table(found: Iterable[Case], names: Callable[[Case], Sequence[str]]) -> Table:
    """How many passed, of how many, under each of the names that a case goes by."""
    passed: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for case in found:
        for name in names(case):
            total[name] += 1
            passed[name] += case.status == "PASS"
    return {name: (passed[name], total[name]) for name in sorted(total)}


def written(found: Iterable[Case]) -> dict[str, Any]:
    """Case → status, tags and message, as JSON has it."""
    return {case.id: asdict(case) for case in found}


def scopes(found: Sequence[Case]) -> Table:
    """The two shares that are held: without what V1.9.1 brought, and with it."""
    older = [case for case in found if case.since != "1.9.1"]
    named = {"not since_v1.9.1": older, "all": found}
    return {
        name: (sum(case.status == "PASS" for case in part), len(part))
        for name, part in named.items()
    }
