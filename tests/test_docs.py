"""The manual says what is there: pages, pictures and links (`make docs` checks links strictly)."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from string import Formatter
from typing import cast

import msgspec.inspect
import numpy as np
import pytest
import typer.main

from cityloop.city import hub, intake_desk, live, loop_desk
from cityloop.city.build import build_site
from cityloop.city.config import Settings
from cityloop.city.installed import loop_versions
from cityloop.city.rows import CABINET_STAYED, OPERATOR_WORDINGS
from cityloop.city.surface import DecisionRow, Summary
from cityloop.cli.main import app as cli
from cityloop.kernel.clock import CityTime
from cityloop.kernel.cycle import Cycle
from cityloop.kernel.frame import frame
from cityloop.kernel.loop import Loop, Mode
from cityloop.kernel.reasons import Wording
from cityloop.reaction import alarms, approvals
from cityloop.reaction.alarm_kinds import KINDS
from cityloop.reaction.approvals import WORDINGS, Fate
from cityloop.safety import leases, modes, plan_checks, shadow
from cityloop.safety.envelope import Refusal
from cityloop.safety.guard import SignalGuard
from cityloop.standards import retention
from cityloop.twins.sumo.facts import EXTRAS, TABLES
from cityloop.web.app import create_app
from cityloop.web.port import CityPort
from tests.faults.running import HANGZHOU

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
ALARMS = DOCS / "reference" / "alarms.md"
REFUSING = (
    *(hub, live, loop_desk, intake_desk, alarms, approvals),
    *(leases, modes, shadow, plan_checks, retention),
)
"""Modules that say no to people; each of their wordings is a code of its own."""
CLI = DOCS / "reference" / "cli.md"
TABLES_PAGE = DOCS / "reference" / "tables.md"
HTTP = DOCS / "reference" / "http.md"
PAGES = [*sorted(DOCS.rglob("*.md")), *sorted(ROOT.glob("*.md"))]


def nav_pages(entry: object) -> Iterator[str]:
    """Every page named in a nav entry, however deep."""
    if isinstance(entry, str):
        yield entry
    elif isinstance(entry, dict):
        for inner in entry.values():
            yield from nav_pages(inner)
    elif isinstance(entry, list):
        for inner in entry:
            yield from nav_pages(inner)


def test_the_navigation_lists_every_page_once() -> None:
    config = tomllib.loads((ROOT / "zensical.toml").read_text())
    listed = list(nav_pages(config["project"]["nav"]))
    assert sorted(listed) == sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_local_link_and_picture_of_a_page_exists(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    targets = re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", text)
    assert [target for target in targets if not (page.parent / target).exists()] == []


def told_keys(page: Path) -> dict[str, set[str]]:
    """First word of each heading of level two → the keys in the first column of its table."""
    parts = re.split(r"^## \W*", page.read_text(), flags=re.MULTILINE)[1:]
    return {
        re.split(r"\W", part)[0]: set(re.findall(r"^\| `(\w+)`", part, re.MULTILINE))
        for part in parts
    }


def keys_of(kind: msgspec.inspect.Type) -> set[str]:
    """The keys of the struct that a section holds, by itself, optionally or by name."""
    match kind:
        case msgspec.inspect.StructType(fields=fields):
            return {field.encode_name for field in fields}
        case msgspec.inspect.DictType(value_type=inner):
            return keys_of(inner)
        case msgspec.inspect.UnionType(types=types):
            return set().union(*map(keys_of, types))
    return set()


def test_the_page_of_city_toml_lists_every_key_and_no_other() -> None:
    settings = msgspec.inspect.type_info(Settings)
    assert isinstance(settings, msgspec.inspect.StructType)
    there = {field.encode_name: keys_of(field.type) for field in settings.fields}
    assert told_keys(DOCS / "reference" / "city-toml.md") == there


def test_the_page_of_tables_lists_every_table_and_column() -> None:
    lines = re.findall(r"^\| `(\w+\.csv)` \|.*?\| (.*) \|$", TABLES_PAGE.read_text(), re.MULTILINE)
    told = {table: set(re.findall(r"`(\w+)`", columns)) for table, columns in lines}
    there = {**TABLES, **EXTRAS}
    assert told.keys() == there.keys()
    assert [name for name in there if not set(there[name]) <= told[name]] == []


def test_the_page_of_http_lists_every_address_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "index.html").touch()
    app = create_app(cast(CityPort, None), assets=tmp_path)
    there = [f"{one.declared.verb} {one.plain_path}" for one in app.state.table]
    told = re.findall(r"^\| `((?:GET|POST|PUT|DELETE) /\S*)`", HTTP.read_text(), re.MULTILINE)
    assert sorted(told) == sorted(there)


@pytest.mark.parametrize(
    ("heading", "kind"), [("The summary", Summary), ("A decision", DecisionRow)]
)
def test_the_page_of_http_explains_every_field(heading: str, kind: type[msgspec.Struct]) -> None:
    part = HTTP.read_text().split(f"## {heading}\n")[1].split("## ")[0]
    rows = re.findall(r"^\| (`.*?) \|", part, re.MULTILINE)
    told = re.findall(r"`(\w+)`", " ".join(rows))
    assert sorted(told) == sorted(field.name for field in msgspec.structs.fields(kind))


def commands(command: object, name: str) -> Iterator[tuple[str, set[str]]]:
    """Every command that runs something, with its options."""
    if isinstance(command, typer.core.TyperGroup):
        for word, inner in command.commands.items():
            yield from commands(inner, f"{name} {word}")
    elif isinstance(command, typer.core.TyperCommand):
        options = [p for p in command.params if p.param_type_name == "option"]
        yield name, {word for p in options for word in (*p.opts, *p.secondary_opts)} - {"--help"}


def test_the_page_of_commands_lists_every_command_and_option_and_no_other() -> None:
    parts = re.split(r"^## `", CLI.read_text(), flags=re.MULTILINE)[1:]
    told = {}
    for part in parts:
        rows = re.findall(r"^\| (`--.*?) \|", part, re.MULTILINE)
        told[part.partition("`")[0]] = set(re.findall(r"`(--[a-z-]+)`", " ".join(rows)))
    assert told == dict(commands(typer.main.get_command(cli), "cityloop"))


def test_the_loop_of_the_how_to_gives_every_junction_its_turn(tmp_path: Path) -> None:
    text = (DOCS / "how-to" / "add-a-loop.md").read_text()
    module: dict[str, object] = {"__name__": "turns"}
    exec(re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0], module)
    site = build_site(HANGZHOU, tmp_path)
    ids, count = site.network.controller_ids, len(site.network.controller_ids)
    guard = SignalGuard(site.network.bank, site.limits)
    cycle = Cycle(
        cast(Loop, module["loop"]), {"network": site.network}, guard, ids, run="a", epoch=1
    )
    at = CityTime(60_000)
    ages = np.where(np.arange(count) < 10, 30.0, 29.0)
    shown = {"phase": np.zeros(count), "stage": np.zeros(count), "inCharge": np.zeros(count)}
    cycle.see([frame("SignalController", "a", at, ids, stageAge=ages, **shown)])
    done = cycle.tick(at, np.full(count, Mode.ACT))
    assert done.orders is not None
    assert done.orders.rows.tolist() == list(range(10))
    assert set(done.orders.actions.tolist()) == {1}


def test_the_page_of_decisions_lists_every_wording_with_its_numbers_and_every_verdict() -> None:
    loops = [loop for versions in loop_versions().values() for loop in versions]
    wordings = [wording for loop in loops for wording in loop.wordings]
    wordings += [*OPERATOR_WORDINGS, CABINET_STAYED, *WORDINGS.values()]
    found = [one for module in REFUSING for one in vars(module).values()]
    wordings += [one for one in found if isinstance(one, Wording)]
    page = (DOCS / "reference" / "decisions.md").read_text()
    reasons = page.split("## Verdicts")[0]
    told = dict(re.findall(r"^\| `(\w+)` \| ([^|]*) \| \S", reasons, re.MULTILINE))
    for wording in wordings:
        named = {name for _, name, _, _ in Formatter().parse(wording.template) if name}
        assert named <= set(re.findall(r"`(\w+)`", told.pop(wording.code))), wording.code
    assert told == {}
    words = {r.name.lower() for r in Refusal if r} | {f.name.lower() for f in Fate} | {"passed"}
    verdicts = page.split("## Verdicts")[1]
    rows = " ".join(re.findall(r"^\| (`.*?) \|", verdicts, re.MULTILINE))
    assert set(re.findall(r"`(\w+)`", rows)) == words


def test_the_page_of_alarms_lists_every_kind_with_its_data_and_no_other() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \|.*?\|.*?\| (`.*?`) \|", ALARMS.read_text(), re.MULTILINE)
    told = {kind: set(re.findall(r"`(\w+)`", data)) for kind, data in rows}
    assert told.keys() == KINDS.keys()
    for kind in KINDS.values():
        named = {name for _, name, _, _ in Formatter().parse(kind.text) if name and name != "what"}
        assert named <= told[kind.name], kind.name
