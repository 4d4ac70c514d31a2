"""Small real networks, built by netconvert once per session."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cityloop.kernel.clock import CityTime
from cityloop.safety.cabinet import CabinetBank
from cityloop.safety.envelope import Limits
from cityloop.standards.network import RoadNetwork
from cityloop.twins.sumo.binaries import sumo_binary, use_sumo_home
from cityloop.twins.sumo.network import read_network
from cityloop.twins.sumo.scenario import SumoScenario
from cityloop.twins.sumo.tables import build_tables
from cityloop.twins.sumo.twin import SumoTwin

START = CityTime(1_523_844_000_000)
HANGZHOU = Path(__file__).parents[2] / "examples" / "hangzhou"


@pytest.fixture(scope="session")
def hangzhou(tmp_path_factory: pytest.TempPathFactory) -> SumoScenario:
    return build_tables(HANGZHOU, tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def gudang(hangzhou: SumoScenario) -> RoadNetwork:
    return read_network(hangzhou.net, min_green_s=10.0)


NODES = """<nodes>
 <node id="far" x="-400" y="0"/> <node id="side" x="-30" y="0" type="priority"/>
 <node id="x" x="0" y="0" type="traffic_light"/> <node id="alley" x="-30" y="-200"/>
 <node id="east" x="300" y="0"/> <node id="north" x="0" y="300"/> <node id="south" x="0" y="-300"/>
</nodes>"""
EDGES = """<edges>
 <edge id="long" from="far" to="side" priority="3" speed="13.9"/>
 <edge id="stub" from="side" to="x" priority="3" speed="13.9"/>
 <edge id="lane" from="alley" to="side" priority="1" speed="8.3"/>
 <edge id="out" from="x" to="east" priority="3" speed="13.9"/>
 <edge id="down" from="north" to="x" priority="3" speed="18"/>
 <edge id="gone" from="x" to="south" priority="3" speed="18"/>
</edges>"""
ROUTES = """<routes>
 <flow id="a" begin="0" end="300" period="10"><route edges="long stub out"/></flow>
 <flow id="b" begin="0" end="300" period="5"><route edges="down gone"/></flow>
</routes>"""


@pytest.fixture(scope="session")
def crossing(tmp_path_factory: pytest.TempPathFactory) -> SumoScenario:
    """One signal with a stub of 30 m before it, fed over an uncontrolled node."""
    folder = tmp_path_factory.mktemp("crossing")
    for name, text in (("n.xml", NODES), ("e.xml", EDGES), ("r.rou.xml", ROUTES)):
        (folder / name).write_text(text, encoding="utf-8")
    use_sumo_home()
    names = ("--node-files", "n.xml", "--edge-files", "e.xml", "--output-file", "x.net.xml")
    quiet = ("--no-turnarounds", "--no-warnings", "--xml-validation", "never")
    command = [str(sumo_binary("netconvert")), *names, *quiet]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return SumoScenario(folder / "x.net.xml", (folder / "r.rou.xml",), (), 0.0, 300.0)


Launch = Callable[..., SumoTwin]


@pytest.fixture
def launch() -> Iterator[Launch]:
    """Starts twins, and ends the last of them with the test."""
    started: list[SumoTwin] = []

    def run(
        scenario: SumoScenario,
        network: RoadNetwork,
        *,
        seed: int = 1,
        guarded: bool = True,
        tripinfo: Path | None = None,
    ) -> SumoTwin:
        cabinets = CabinetBank(network.bank, Limits(), START) if guarded else None
        twin = SumoTwin(
            scenario,
            network,
            run="r1",
            seed=seed,
            start=START,
            cabinets=cabinets,
            tripinfo=tripinfo,
        )
        started.append(twin)
        return twin

    yield run
    for twin in started:
        twin.close()
