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
the @contexts from a table and no network, in the folders of context information (without entity
maps and snapshots), @contexts and common behaviours.

What the broker is given beside the suite: the @contexts that the suite brings along; leave to
fetch those that the suite serves from this machine (`--trust 127.0.0.1`); and in place of @contexts
of other projects, which the network would give, empty ones: {stood_in}. {needing} cases need one of
these; a broker without them (`--no-fetch`, the suite's own @contexts alone) passes that many
less."""

NEEDS = Path(__file__).parent / "needs.csv"
"""``case`` (the end of its id) that needs what is given beside the suite."""


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


def page(found: Sequence[Case], commit: str, stood_in: Sequence[str]) -> str:
    """For the manual, as Markdown. ``stood_in``: @contexts that empty ones took the place of."""
    told = ", ".join(f"`{url}`" for url in stood_in)
    needing = len(_column(NEEDS))
    parts = [
        "# Conformance of the context broker",
        _HEAD.format(commit=commit, stood_in=told, needing=needing),
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


def _column(path: Path) -> dict[str, str]:
    """By the end of a case's id what is said of it; nothing where nothing is."""
    with path.open(encoding="utf-8", newline="") as file:
        return {row["case"]: row.get("why", "") for row in csv.DictReader(file)}


def _misses(found: Sequence[Case]) -> str:
    reasons = _column(REASONS)
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
