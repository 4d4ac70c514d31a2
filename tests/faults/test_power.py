"""A city loses a process, then power, and nothing else: the short form of `make faults`."""

from pathlib import Path

import pytest
from scripts.faults.kills import ALL, run
from scripts.faults.preloaded import has_compiler


def test_a_city_that_lost_its_hub_and_then_power_holds_what_it_acknowledged(
    tmp_path: Path,
) -> None:
    if not has_compiler():
        pytest.skip("power cuts take gcc: install the Debian package gcc")
    report = run(tmp_path / "run", ["hub", ALL], shim=True)
    assert report["faults"] == []
    assert report["acknowledged"] > 100
    assert report["undone_by_power_cuts"] > 0
