"""The report of one run: for the terminal and, with every miss and why, for the manual."""

import csv
from collections.abc import Sequence
from pathlib import Path

from scripts.conformance.results import Case, Table, scopes, table

REASONS = Path(__file__).parent / "reasons.csv"
"""``case`` (the end of its id), ``why``: what we found where a case is not passed; with the clause
of the standard where the case is wrong."""

_HEAD = """Made by `make conformance SUITE=<checkout>`; do not edit. The ETSI NGSI-LD test suite,
unmodified, at commit `{commit}` of `marek-mraz/ngsi-ld-test-suite`, against `cityloop broker` with
the @contexts from a table and no network."""


def tables(found: Sequence[Case]) -> dict[str, Table]:
    """Every way in which the cases are counted."""
    return {
        "Scope": scopes(found),
        "Folder": table(found, lambda case: [case.folder]),
        "Since": table(found, lambda case: [case.since]),
        "Operation": table(found, lambda case: case.operations),
    }


def text(found: Sequence[Case]) -> str:
    """For the terminal."""
    lines = []
    for title, counted in tables(found).items():
        lines += [f"\n{title}"]
        lines += [
            f"  {good:>5}/{total:<5} {100 * good / total:6.1f} %  {name}"
            for name, (good, total) in counted.items()
        ]
    return "\n".join(lines)


def page(found: Sequence[Case], commit: str) -> str:
    """For the manual, as Markdown."""
    parts = [
        "# Conformance of the context broker",
        _HEAD.format(commit=commit),
    ]
    for title, counted in tables(found).items():
        rows = [
            f"| {name} | {good} | {total} | {100 * good / total:.1f} % |"
            for name, (good, total) in counted.items()
        ]
        head = f"| {title} | passed | cases | share |\n|---|--:|--:|--:|"
        parts += [f"## By {title.lower()}", "\n".join([head, *rows])]
    parts += ["## Every miss, and why", _misses(found)]
    return "\n\n".join(parts) + "\n"


def _misses(found: Sequence[Case]) -> str:
    with REASONS.open(encoding="utf-8", newline="") as file:
        reasons = {row["case"]: row["why"] for row in csv.DictReader(file)}
    missed = [case for case in found if case.status != "PASS"]
    if not missed:
        return "None."
    rows = []
    for case in missed:
        why = next((told for end, told in reasons.items() if case.id.endswith(end)), "")
        said = case.message[:200].replace("|", "\\|").replace("<", "&lt;")
        name = f"{Path(case.file).stem}: {case.name}".replace("|", "\\|")
        rows.append(f"| {name} | {why or 'not looked into yet'} | {said} |")
    return "\n".join(["| case | why | what the suite says |", "|---|---|---|", *rows])
