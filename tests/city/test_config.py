"""city.toml: every mistake is told with file, line, what and how to mend it."""

from pathlib import Path

import pytest

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
        ('shadow_result = "shown"', "", r"city\.toml:10: .*shadow_result"),
        ('"hangzhou"', '"../up"', r"city\.toml:3: "),
        ("[city]", "[city", r"city\.toml: .*line 1"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, was: str, now: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        read_settings(write(tmp_path, GOOD.replace(was, now)))


def test_a_folder_without_a_city_says_what_a_city_is(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a city is a folder with a city\.toml"):
        read_settings(tmp_path)
