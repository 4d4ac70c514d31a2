"""Rules of the house that no other tool checks."""

import re
import subprocess
import tomllib
from importlib.metadata import version
from pathlib import Path

import cityloop

ROOT = Path(__file__).resolve().parent.parent


def our_texts() -> dict[str, str]:
    """Every text file of the repository, tracked or about to be."""
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    texts = {}
    for name in filter(None, names):
        content = (ROOT / name).read_bytes() if (ROOT / name).is_file() else b"\0"
        if b"\0" not in content:
            texts[name] = content.decode("utf-8")
    return texts


def test_no_file_names_a_place_of_one_machine() -> None:
    place = re.compile(r"(?<![\w./:-])/(?:home|root|work|Users)/")
    assert [name for name, text in our_texts().items() if place.search(text)] == []


def test_no_lock_names_where_packages_come_from() -> None:
    address = re.compile(
        r"https?://[^\"]*\.(?:whl|tgz|tar\.gz)|--(?:extra-)?index-url|\"resolved\""
    )
    locks = {name: text for name, text in our_texts().items() if "lock" in name}
    assert locks
    assert [name for name, text in locks.items() if address.search(text)] == []


def test_the_public_surface_is_this_list() -> None:
    assert set(cityloop.__all__) == {
        *("CityTime", "CityloopError", "EntityIds", "Frame", "Latest", "Loop", "Memory", "Mode"),
        *("Priority", "Proposals", "Reason", "Score", "Table", "View", "Wording", "__version__"),
    }
    assert all(getattr(cityloop, name) for name in cityloop.__all__)


def test_the_changelog_has_an_entry_for_this_version() -> None:
    assert cityloop.__version__ == version("cityloop")
    assert f"\n## {cityloop.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_every_make_word_in_the_texts_exists() -> None:
    words = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for name, text in our_texts().items():
        if name.endswith(".md"):
            used = set(re.findall(r"(?:`|^)make ([a-z-]+)", text, re.MULTILINE))
            assert used <= words, f"{name} names {used - words}"


def test_no_module_is_a_drawer() -> None:
    drawers = {"utils", "util", "helpers", "common", "base", "manager", "misc"}
    assert [p for p in (ROOT / "src").rglob("*.py") if p.stem in drawers] == []


def test_every_lock_entry_has_a_hash_and_every_requirement_is_locked() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    entries = re.split(r"\n(?=\S)", lock.strip())
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []
    locked = {entry.split("==")[0] for entry in entries}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = (
        project["project"]["dependencies"]
        + [name for extra in project["project"]["optional-dependencies"].values() for name in extra]
        + project["dependency-groups"]["dev"]
        + project["build-system"]["requires"]
    )
    assert {re.split(r"[<>=[]", name)[0] for name in wanted} <= locked
