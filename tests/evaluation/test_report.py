import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cityloop.cli.bench import bench_app
from cityloop.kernel.errors import ConfigError
from cityloop.twins.sumo.scenario import SumoScenario

ROW = {
    "network",
    "controller",
    "seed",
    "att_all_s",
    "resco_delay_s",
    "finished",
    "departed",
    "never_inserted",
    "cpu_s",
    "version",
}


def configuration(folder: Path, scenario: SumoScenario, end_s: int) -> Path:
    path = folder / "city.sumocfg"
    path.write_text(
        f"""<configuration><input><net-file value="{scenario.net}"/>
        <route-files value="{scenario.routes[0]}"/></input>
        <time><begin value="0"/><end value="{end_s}"/></time></configuration>"""
    )
    return path


@pytest.fixture
def benched(tmp_path: Path, quarter: SumoScenario) -> Path:
    asked = ["--controllers", "webster,cityloop", "--seeds", "2", "--jobs", "2"]
    asked += ["--network", f"city={configuration(tmp_path, quarter, 120)}"]
    done = CliRunner().invoke(bench_app, ["traffic", *asked, "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    return tmp_path / "out"


def test_a_bench_leaves_rows_a_table_and_a_plot(benched: Path) -> None:
    document = json.loads((benched / "results.json").read_text())
    keys = [(row["controller"], row["seed"]) for row in document["rows"]]
    assert keys == [("webster", 1), ("webster", 2), ("cityloop", 1), ("cityloop", 2)]
    assert all(set(row) >= ROW for row in document["rows"])
    assert document["errors"] == []
    assert [item["controller"] for item in document["differences"]] == ["cityloop"]
    assert "| city | cityloop | 2 |" in (benched / "table.md").read_text()
    assert "<svg" in (benched / "plot.svg").read_text()


def test_a_failed_trial_is_a_row_of_errors_and_a_bad_exit(
    tmp_path: Path, quarter: SumoScenario
) -> None:
    broken = tmp_path / "broken.net.xml"
    broken.write_text("<net>")
    asked = ["--network", f"city={broken},{quarter.routes[0]}", "--controllers", "plan"]
    done = CliRunner().invoke(
        bench_app, ["traffic", *asked, "--seeds", "1", "--out", str(tmp_path)]
    )
    errors = json.loads((tmp_path / "results.json").read_text())["errors"]
    assert done.exit_code == 1
    assert [(e["network"], e["controller"], e["seed"]) for e in errors] == [("city", "plan", 1)]


def test_an_unknown_controller_is_named_with_those_there_are(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        bench_app, ["traffic", "--controllers", "magic", "--out", str(tmp_path)]
    )
    assert isinstance(done.exception, ConfigError)
    assert "magic" in str(done.exception)
    assert "cityloop" in str(done.exception)
