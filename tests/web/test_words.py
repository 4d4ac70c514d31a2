"""The page says the same in both languages, and its times are the city's."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
FRONTEND = ROOT / "frontend"
VITE = FRONTEND / "node_modules" / ".bin" / "vite"
KEYS = """const keys = (words, at = "") => Object.entries(words).flatMap(([name, one]) =>
    one !== null && typeof one === "object" ? keys(one, `${at}${name}.`) : [`${at}${name}`]);"""
Say = Callable[[str], Any]


@pytest.fixture(scope="module")
def say(tmp_path_factory: pytest.TempPathFactory) -> Say:
    """What an expression over the page's words gives."""
    if not VITE.exists() or shutil.which("node") is None:
        pytest.skip("the front end's packages are not installed: run `make setup`")
    built = tmp_path_factory.mktemp("words")
    command = [VITE, "build", "--ssr", "src/words/index.ts", "--outDir", built, "--emptyOutDir"]
    subprocess.run(command, cwd=FRONTEND, check=True, capture_output=True)

    def run(expression: str) -> Any:
        script = f"""import {{ languages, Speech, instantOf, localOf }} from "{built}/index.js";
            {KEYS} globalThis.localStorage = {{ getItem: () => null }};
            console.log(JSON.stringify({expression}));"""
        node = ["node", "--input-type=module", "-e", script]
        return json.loads(subprocess.run(node, check=True, capture_output=True).stdout)

    return run


def first_column(page: str, heading: str) -> set[str]:
    """The code words in the first column of the tables under a heading."""
    text = (ROOT / "docs" / "reference" / page).read_text()
    part = re.split(r"^## ", text.split(f"## {heading}\n", 1)[1], flags=re.MULTILINE)[0]
    cells = re.findall(r"^\| (`.*?) \|", part, re.MULTILINE)
    return {word for cell in cells for word in re.findall(r"`([\w-]+)`", cell)}


def test_no_word_is_missing_in_either_language(say: Say) -> None:
    english, chinese = say("[keys(languages.en), keys(languages.zh)].map(one => one.sort())")
    own = (
        "reasons.",
        "refusalsBy.",
        "acts.",
        "handled.",
        "problems.",
    )  # the record holds their English sentences
    assert [key for key in chinese if not key.startswith(own)] == english
    assert len(english) > 300


def test_every_reason_and_every_refusal_is_told_in_chinese(say: Say) -> None:
    reasons, refusals = say("['reasons', 'refusalsBy'].map(one => Object.keys(languages.zh[one]))")
    assert first_column("decisions.md", "Why") <= set(reasons)
    assert first_column("decisions.md", "Refused commands") <= set(reasons)
    fates = {"passed", "confirmed", "rejected", "lapsed", "overtaken"}
    assert first_column("decisions.md", "Verdicts") - fates <= set(refusals)


def test_a_refusal_is_told_with_its_numbers(say: Say) -> None:
    lacks = say("languages.zh.reasons.shadow_refused({ share: 0.167, most: 0.05 })")
    assert lacks == "16.7% 的建议被防护拒绝，上限为 5%。"


def test_every_kind_of_alarm_is_told_in_both_languages(say: Say) -> None:
    told = set(say("Object.keys(languages.en.alarm.kinds)"))
    assert first_column("alarms.md", "Kinds") <= told


def test_what_people_did_is_told_in_chinese(say: Say) -> None:
    acts = {"mode", "hold", "lock_out", "flash", "release", "advice", "version", "plans"}
    assert acts | {"retention", "rejects"} == set(say("Object.keys(languages.zh.acts)"))
    held = say("languages.zh.acts.hold({ junction: 'J12', phase: 2, minutes: 15 })")
    assert held == "J12：保持相位 2，15 分钟。"


@pytest.mark.parametrize(
    ("instant", "told"),
    [
        ("2026-10-25T00:30:00Z", "02:30:00 GMT+2"),
        ("2026-10-25T01:30:00Z", "02:30:00 GMT+1"),
        ("2026-10-25T02:30:00Z", "03:30:00"),
        ("2026-03-29T01:30:00Z", "03:30:00"),
    ],
)
def test_the_hour_that_comes_twice_is_told_apart(say: Say, instant: str, told: str) -> None:
    speech = "new Speech('en', 'Europe/Berlin')"
    assert say(f"{speech}.when('{instant}', '{instant}')") == told


@pytest.mark.parametrize(
    ("zone", "local", "instant"),
    [
        ("Asia/Shanghai", "2018-04-16T10:00:00", "2018-04-16T02:00:00.000Z"),
        ("Europe/Berlin", "2026-07-01T08:00:00", "2026-07-01T06:00:00.000Z"),
        ("Europe/Berlin", "2026-10-25T02:30:00", "2026-10-25T00:30:00.000Z"),
        ("Europe/Berlin", "2026-03-29T02:30:00", "2026-03-29T01:30:00.000Z"),
        ("America/New_York", "2026-01-15T23:59:59", "2026-01-16T04:59:59.000Z"),
    ],
)
def test_a_field_of_date_and_time_means_the_citys_clock(
    say: Say, zone: str, local: str, instant: str
) -> None:
    assert say(f"instantOf('{local}', '{zone}')") == instant
