import shutil
from pathlib import Path

import pytest

from cityloop.kernel.errors import ConfigError
from cityloop.standards.network import RoadNetwork
from cityloop.twins.sumo.demand import read_demand
from cityloop.twins.sumo.facts_reader import read_facts
from cityloop.twins.sumo.network import read_network
from cityloop.twins.sumo.scenario import SumoScenario
from cityloop.twins.sumo.tables import build_tables

HANGZHOU = Path(__file__).parents[2] / "examples" / "hangzhou"


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    folder = tmp_path / "tables"
    folder.mkdir()
    for table in HANGZHOU.glob("*.csv"):
        shutil.copy(table, folder)
    return folder


def test_hangzhou_has_sixteen_signals_and_2983_departures(
    hangzhou: SumoScenario, gudang: RoadNetwork
) -> None:
    assert len(gudang.bank.junctions) == 16
    assert len(read_demand(hangzhou)) == 2983


def test_the_conflicts_are_those_of_the_published_network(
    gudang: RoadNetwork, data_dir: Path
) -> None:
    (path,) = (data_dir / "traffic" / "hangzhou_4x4").glob("*.net.xml")
    published = {j.id: j for j in read_network(path).bank.junctions}
    for junction in gudang.bank.junctions:
        same = published[f"intersection_{junction.id[1]}_{junction.id[2]}"]
        assert [link.foes for link in junction.links] == [link.foes for link in same.links]
        assert (junction.x, junction.y) == (same.x, same.y)


def test_the_same_tables_give_the_same_files(hangzhou: SumoScenario, tmp_path: Path) -> None:
    again = build_tables(HANGZHOU, tmp_path)
    for file, other in ((hangzhou.net, again.net), (hangzhou.routes[0], again.routes[0])):
        assert file.read_bytes() == other.read_bytes()


def test_what_stands_in_the_cache_is_not_made_again(tables: Path, tmp_path: Path) -> None:
    net = build_tables(tables, tmp_path).net
    net.write_text("kept", encoding="utf-8")
    assert build_tables(tables, tmp_path).net.read_text(encoding="utf-8") == "kept"


def test_changed_tables_are_made_anew(tables: Path, tmp_path: Path) -> None:
    before = build_tables(tables, tmp_path).net
    spoil(tables / "signal_phases.csv", 2, "eight,1,25,Grr,GGr,Grr,GGr")
    assert build_tables(tables, tmp_path).net != before


def spoil(path: Path, line: int, text: str) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[line - 1] = text
    path.write_text("\n".join(lines), encoding="utf-8")


@pytest.mark.parametrize(
    ("table", "line", "text", "message"),
    [
        ("junctions.csv", 1, "junction,x_m,plan", "no column y_m"),
        ("junctions.csv", 2, "E1,east,600,none,no", "write a number"),
        ("junctions.csv", 2, "E1,nan,600,none,no", "x_m is nan"),
        ("junctions.csv", 3, "E1,4000,600,none,no", "stands here twice"),
        ("junctions.csv", 2, "E1,4000,600,nine,no", "plan is 'nine'"),
        ("roads.csv", 2, "E1-J41,E9,J41,3,11.1", "add it to junctions.csv"),
        ("roads.csv", 2, "E1-J41,E1,J41,2.5,11.1", "lanes is 2.5"),
        ("lanes.csv", 2, "E1-J41,7,right", "has no lane 7"),
        ("lanes.csv", 2, "E1-J41,0,about", "turns is 'about'"),
        ("movements.csv", 2, "J11,north,right,J12-J11,0,J12-J22,0 1 2", "does not pass J11"),
        ("movements.csv", 2, "J11,north,left,J12-J11,0,J11-W1,0 1 2", "has no turn left"),
        ("signal_phases.csv", 2, "eight,1,30,Grx,GGr,Grr,GGr", "of G g y r s"),
        ("signal_phases.csv", 3, "eight,9,5,srr,srr,srr,srr", "number them"),
        ("departures.csv", 2, "E2 J22,0", "no road leads from E2 to J22"),
        ("departures.csv", 2, "E2 J42,soon", "write seconds"),
        ("vehicles.csv", 2, "-5,1.8,2.5,2.6,4.5,50", "at least 0"),
    ],
)
def test_a_mistake_is_told_with_file_and_line(
    tables: Path, table: str, line: int, text: str, message: str
) -> None:
    spoil(tables / table, line, text)
    with pytest.raises(ConfigError, match=message) as caught:
        read_facts(tables)
    assert f"{table}:{line}:" in str(caught.value)


def test_a_missing_table_is_named(tables: Path, tmp_path: Path) -> None:
    (tables / "lanes.csv").unlink()
    with pytest.raises(ConfigError, match=r"lanes\.csv: the table is missing"):
        build_tables(tables, tmp_path)


def test_the_example_stays_small() -> None:
    assert sum(path.stat().st_size for path in HANGZHOU.glob("*.*")) < 400_000
