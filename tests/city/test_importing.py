"""`cityloop import`: a city out of what people have, offline."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from cityloop.city.importing import Wanted, import_city
from cityloop.city.newcity import Names, names_for, write_starter
from cityloop.city.survey import survey
from cityloop.kernel.errors import ConfigError

STREETS = Path(__file__).parent / "streets"
OSM, GEOJSON = STREETS / "town.osm", STREETS / "town.geojson"
NAMES = Names("Town", "town")


@pytest.mark.parametrize("wanted", [Wanted(osm=OSM), Wanted(geojson=GEOJSON)])
def test_a_street_map_becomes_a_city_without_a_mistake(tmp_path: Path, wanted: Wanted) -> None:
    told = import_city(tmp_path, NAMES, wanted)
    found = survey(tmp_path)
    assert len(found.network.bank.junctions) == 2
    assert found.settings.anchor is not None
    assert found.settings.anchor.latitude == pytest.approx(-10.0, abs=0.001)
    assert any("made-up vehicles in an hour" in line for line in told)
    assert "**synthetic**" in (tmp_path / "network" / "SOURCE.md").read_text()


def test_the_map_and_the_lines_of_one_town_lie_on_the_same_plane(tmp_path: Path) -> None:
    import_city(tmp_path / "a", NAMES, Wanted(osm=OSM))
    import_city(tmp_path / "b", NAMES, Wanted(geojson=GEOJSON))
    first, second = (
        sorted((j.x, j.y) for j in survey(tmp_path / name).network.bank.junctions)
        for name in ("a", "b")
    )
    gap = first[1][0] - first[0][0]
    assert gap == pytest.approx(350, abs=3)
    assert second[1][0] - second[0][0] == pytest.approx(gap, abs=3)


def test_made_up_traffic_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    for name in ("a", "b"):
        import_city(tmp_path / name, NAMES, Wanted(osm=OSM, vehicles_per_hour=200, seed=7))
    first, second = ((tmp_path / n / "network" / "traffic.rou.xml") for n in ("a", "b"))
    lines = [path.read_text().partition("<routes")[2] for path in (first, second)]
    assert lines[0] == lines[1]
    assert 150 < lines[0].count("<vehicle") < 250


PLANS = """\
junction,step,duration_s,north,east,south,west
{0},1,40,rrr,GGg,rrr,GGg
{0},2,3,rrr,yyy,rrr,yyy
{0},3,20,GGg,rrr,GGg,rrr
{0},4,3,yyy,rrr,yyy,rrr
"""


def test_signal_plans_come_from_a_table(tmp_path: Path) -> None:
    import_city(tmp_path / "plain", NAMES, Wanted(osm=OSM))
    name = survey(tmp_path / "plain").network.bank.junctions[0].id
    table = tmp_path / "plans.csv"
    table.write_text(PLANS.format(name), encoding="utf-8")
    import_city(tmp_path / "planned", NAMES, Wanted(osm=OSM, plans=table))
    junction = survey(tmp_path / "planned").network.bank.junctions[0]
    assert [phase.duration_s for phase in junction.phases] == [40, 20]
    for phase, along in zip(junction.phases, (True, False), strict=True):
        for letter, link in zip(phase.state, junction.links, strict=True):
            assert (letter != "r") == (along == ("100" in link.from_lane)), "way 100 is Long Road"


def test_mistakes_in_the_table_of_plans_are_told_together(tmp_path: Path) -> None:
    table = tmp_path / "plans.csv"
    bad = PLANS.format("nowhere").replace("GGg,rrr,GGg,rrr", "GGx,rrr,GGg,rrr")
    table.write_text(bad, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        import_city(tmp_path / "city", NAMES, Wanted(osm=OSM, plans=table))
    assert str(caught.value).count("junction nowhere has no signal; there are: ") == 4
    assert not (tmp_path / "city" / "network").exists()


DETECTORS = """\
detector,longitude,latitude,bearing_deg,lane
west-kerb,-25.00155,-10.00004,90,0
west-left,-25.00155,-10.00001,90,1
unsure,-25.0030,-9.99999,,
lost,-25.02,-10.1,90,0
"""


def test_detectors_are_matched_to_lanes_and_doubtful_ones_drawn(tmp_path: Path) -> None:
    table = tmp_path / "detectors.csv"
    table.write_text(DETECTORS, encoding="utf-8")
    told = import_city(tmp_path / "city", NAMES, Wanted(osm=OSM, detectors=table))
    with (tmp_path / "city" / "network" / "detectors.csv").open() as stream:
        rows = {row["detector"]: row for row in csv.DictReader(stream)}
    kerb, left = rows["west-kerb"], rows["west-left"]
    assert kerb["lane"].endswith("_0")
    assert left["lane"] == kerb["lane"].removesuffix("0") + "1"
    assert kerb["entity"] == f"urn:ngsi-ld:StopLineDetector:{kerb['lane']}".replace("#", "%23")
    assert (rows["lost"]["lane"], rows["lost"]["doubt"]) == ("", "no lane is near")
    assert rows["unsure"]["doubt"]
    picture = (tmp_path / "city" / "network" / "doubtful.svg").read_text()
    assert "unsure" in picture
    assert "west-kerb" not in picture
    assert any("doubtful are" in line for line in told)


def test_a_city_that_init_wrote_is_renewed_and_one_that_a_person_edited_is_kept(
    tmp_path: Path,
) -> None:
    for name in ("fresh", "edited"):
        write_starter(tmp_path / name, names_for(tmp_path / name, None))
    settings = tmp_path / "edited" / "city.toml"
    settings.write_text(settings.read_text().replace("UTC", "Asia/Shanghai"))
    for name in ("fresh", "edited"):
        told = import_city(tmp_path / name, names_for(tmp_path / name, None), Wanted(osm=OSM))
    assert "network/net.net.xml" in (tmp_path / "fresh" / "city.toml").read_text()
    assert "network/net.net.xml" not in settings.read_text()
    assert 'put under [twin]: scenario = "network/net.net.xml,' in told[-1]
    with pytest.raises(ConfigError, match="is there already"):
        import_city(tmp_path / "fresh", NAMES, Wanted(osm=OSM))


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.osm", "<osm><node id='1'", "a.osm:1: this is no XML"),
        ("a.osm", "<osm></osm>", "no node of a map in it"),
        ("a.geojson", '{"type":\n "x" 1}', "a.geojson:2: this is no JSON"),
        ("a.geojson", "[]", "this is no FeatureCollection"),
        ("a.geojson", '{"features": []}', "there is no line in it"),
        ("a.net.xml", "<routes/>", "is not a SUMO network"),
    ],
)
def test_what_is_no_map_is_told_in_a_line(
    tmp_path: Path, name: str, content: str, told: str
) -> None:
    source = tmp_path / name
    source.write_text(content, encoding="utf-8")
    option = {"osm": "osm", "geojson": "geojson", "xml": "sumo"}[name.rpartition(".")[2]]
    with pytest.raises(ConfigError, match=told) as caught:
        import_city(tmp_path / "city", NAMES, Wanted(**{option: source}))
    assert "\n" not in str(caught.value)


def test_all_mistakes_of_geojson_lines_are_told(tmp_path: Path) -> None:
    source = tmp_path / "a.geojson"
    text = GEOJSON.read_text().replace('"lanes": 2', '"lanes": 20').replace("-25.0046, -10.0", "1")
    source.write_text(text.replace("-25.00141, -10.00002", "-25.1, -10.1"), encoding="utf-8")
    with pytest.raises(ConfigError, match="feature 1: a line needs two places"):
        import_city(tmp_path / "city", NAMES, Wanted(geojson=source))


@pytest.mark.slow
def test_bologna_with_its_buses_is_imported_and_runs(
    data_dir: Path, tmp_path: Path, free_port: int
) -> None:
    source = data_dir / "traffic" / "bologna" / "acosta" / "run.sumocfg"
    if not source.is_file():
        pytest.skip("no Bologna in the folder of recorded city data")
    city = tmp_path / "bologna"
    told = import_city(city, names_for(city, "Bologna"), Wanted(sumo=source))
    assert told[0].startswith("7 signals")
    settings = city / "city.toml"
    settings.write_text(settings.read_text().replace("# hour_s = 3600", "hour_s = 120"))
    options = ["--runs", "1", "--speed", "max", "--port", str(free_port)]
    command = [sys.executable, "-m", "cityloop", "up", str(city), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
