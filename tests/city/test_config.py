"""city.toml: every mistake is told with file, line, what and how to mend it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityloop.city.config import read_settings
from cityloop.kernel.errors import ConfigError

GOOD = """\
[city]
name = "Hangzhou"
tenant = "hangzhou"

[twin]
begins = 2018-04-16T10:00:00+08:00
tables = "."
speed = "max"

[loops."mobility/signal_timing"]
mode = "act"
shadow_result = "shown"
"""


def write(folder: Path, text: str) -> Path:
    (folder / "city.toml").write_text(text, encoding="utf-8")
    return folder


def test_a_good_file_is_read(tmp_path: Path) -> None:
    settings = read_settings(write(tmp_path, GOOD))
    assert (settings.city.tenant, settings.twin.speed) == ("hangzhou", "max")


@pytest.mark.parametrize(
    ("was", "now", "told"),
    [
        ("tenant =", "tenent =", r"city\.toml:3: .*tenent"),
        ('speed = "max"', "speed = -1", r"city\.toml:8: "),
        ("10:00:00+08:00", "10:00:00", r"city\.toml:6: .*time zone"),
        ('tables = "."', "", r"exactly one of twin\.tables and twin\.scenario"),
        ('shadow_result = "shown"', "", r"city\.toml:11: .*shadow_result"),
        ('"hangzhou"', '"../up"', r"city\.toml:3: "),
        ("[city]", "[city", r"city\.toml:1: this is no TOML"),
        ("[twin]", 'store = "mysql://db/city"\n[twin]', r"city\.toml:5: .*neither \"sqlite\" nor"),
        ("[twin]", 'store = "postgresql://u:p@db/c"\n[twin]', r"holds a password; .*PGPASSFILE"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, was: str, now: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        read_settings(write(tmp_path, GOOD.replace(was, now)))


def test_a_folder_without_a_city_says_what_a_city_is(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a city is a folder with a city\.toml"):
        read_settings(tmp_path)


def told(folder: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read_settings(folder)
    return str(caught.value).replace(f"{folder}/", "").splitlines()


NOBODY = (
    "neither a [twin] nor a source: nothing would ever be heard of this city; "
    "add a [sources.NAME], or a [twin] that stands for the streets"
)


def test_all_mistakes_are_told_at_once_in_the_order_of_their_lines(tmp_path: Path) -> None:
    text = """\
[city]
nmae = "Hangzhou"
tenant = "Hang Zhou"
time_zone = "Asia/Shangai"

[twim]

[signals]
max_red_s = 20
min_green_s = "ten"

[loops."mobility/signal_timing"]
mode = "acting"

[groups]
west = ["J1", "J2"]
east = ["J3",
        "J1"]
"""
    pattern = "'^[a-z][a-z0-9_-]{0,40}$'"
    assert told(write(tmp_path, text)) == [
        "city.toml:1: city.name is missing; add it",
        f"city.toml:1: {NOBODY}",
        "city.toml:2: unknown key city.nmae; did you mean name?",
        f'city.toml:3: city.tenant is "Hang Zhou"; write text matching regex {pattern}',
        "city.toml:6: unknown section [twim]; did you mean twin?",
        "city.toml:9: signals.max_red_s is 20; write a number >= 60.0",
        'city.toml:10: signals.min_green_s is "ten"; write a number',
        'city.toml:13: loops."mobility/signal_timing".mode is "acting"; did you mean act?',
        "city.toml:18: J1 is in groups west and east; leave it in one",
    ]


def test_what_is_no_unicode_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "city.toml").write_bytes(b'[city]\nname = "K\xf6ln"\n')
    assert told(tmp_path) == ["city.toml:2: not UTF-8 at byte 16; save it as UTF-8"]


LINES = GOOD.splitlines()
VALUES = st.sampled_from(["1", "-1.5", "true", '"x"', "[]", "{}", "nan", "1979-05-27", "[[1]]", ""])


@given(st.lists(st.tuples(st.integers(0, len(LINES) - 1), VALUES), max_size=4), st.text(max_size=9))
def test_whatever_stands_in_the_file_is_read_or_told(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, str]], more: str
) -> None:
    lines = list(LINES)
    for row, value in changes:
        lines[row] = f"{lines[row].partition('=')[0]}= {value}"
    folder = tmp_path_factory.mktemp("any")
    (folder / "city.toml").write_text("\n".join([*lines, more]), encoding="utf-8")
    try:
        read_settings(folder)
    except ConfigError as error:
        told = str(error)
    else:
        told = "city.toml:"
    assert "city.toml:" in told
