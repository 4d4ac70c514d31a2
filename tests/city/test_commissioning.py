"""The commissioning check names exactly the detectors that were spoilt in a twin's record."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from tests.faults.running import ROOT

from cityloop.analysis.commissioning import Fault, faults
from cityloop.analysis.signal_heads import Heads, count_changes, missing_states
from cityloop.analysis.tally import Ints, Layout, tally
from cityloop.city.build import build_site
from cityloop.city.commission_report import Commissioning, as_html, as_lines
from cityloop.city.commissioning import layout_of
from cityloop.city.site import Site
from cityloop.kernel.clock import CityTime
from cityloop.safety.cabinet import CabinetBank
from cityloop.twins.sumo.twin import SumoTwin

HOUR_S, STRETCH_S = 3600, 150


@dataclass(frozen=True)
class Record:
    """An hour of the harbour, second by second, and how its detectors stand."""

    site: Site
    layout: Layout
    passed: Ints
    present: Ints
    phase: Ints
    stage: Ints

    def line(self, name: str) -> int:
        return self.site.network.stop_lines.lanes.index(name)

    def tail(self, name: str) -> int:
        return int(self.layout.tail[self.line(name)])

    def faults(self) -> list[Fault]:
        columns = (self.passed, self.present, self.phase, self.stage)
        stretches = range(0, HOUR_S, STRETCH_S)
        tallies = [
            tally(*(column[at : at + STRETCH_S] for column in columns), self.layout)
            for at in stretches
        ]
        return [fault for fault in faults(tallies, self.layout) if fault.kind != "unproven"]

    def named(self) -> set[tuple[str, str, tuple[int, ...]]]:
        return {(fault.kind, fault.role, fault.rows) for fault in self.faults()}


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    site = build_site(ROOT / "examples" / "harbour", tmp_path_factory.mktemp("record"))
    start = CityTime(0)
    cabinets = CabinetBank(site.network.bank, site.limits, start)
    assert site.twin is not None
    twin = SumoTwin(
        site.twin.scenario, site.network, run="a", seed=1, start=start, cabinets=cabinets
    )
    rows: dict[str, list[Ints]] = {"passed": [], "present": [], "phase": [], "stage": []}
    try:
        for _ in range(HOUR_S):
            frames = {frame.type: frame for frame in twin.step()}
            rows["passed"].append(frames["StopLineDetector"]["vehicleCount"])
            rows["present"].append(frames["LaneDetector"]["vehicleCount"])
            rows["phase"].append(frames["SignalController"]["phase"])
            rows["stage"].append(frames["SignalController"]["stage"])
    finally:
        twin.close()
    columns = {name: np.array(values, dtype=np.int64) for name, values in rows.items()}
    return Record(site, layout_of(site.network), **columns)


def spoilt(record: Record, column: str, change: Callable[[Ints], None]) -> Record:
    values = getattr(record, column).copy()
    change(values)
    return replace(record, **{column: values})


def exchanged(a: int, b: int) -> Callable[[Ints], None]:
    def change(values: Ints) -> None:
        values[:, [a, b]] = values[:, [b, a]]

    return change


def test_a_sound_city_has_no_fault(record: Record) -> None:
    assert record.named() == set()


def test_dead_stuck_swapped_and_drifting_detectors_are_named_and_no_others(record: Record) -> None:
    dead, died = record.line("A2-A3_1"), record.tail("B2-A3_1")
    stuck = record.tail("A5-A4_2")
    lines = (record.line("A2-A1_1"), record.line("S2-A3_1"))
    pieces = (record.tail("A4-A5_1"), record.tail("B2-B1_1"))
    drifting = record.line("E1-A6_1")
    chance = np.random.default_rng(1)
    missed = chance.random(HOUR_S) < np.linspace(0.0, 0.8, HOUR_S)

    def spoil_lines(values: Ints) -> None:
        values[:, dead] = 0
        exchanged(*lines)(values)
        values[missed, drifting] = 0

    def spoil_pieces(values: Ints) -> None:
        values[1200:, died] = 0
        values[600:, stuck] = 4
        exchanged(*pieces)(values)

    bad = spoilt(spoilt(record, "passed", spoil_lines), "present", spoil_pieces)
    assert bad.named() == {
        ("dead", "stop line", (dead,)),
        ("dead", "lane", (died,)),
        ("stuck", "lane", (stuck,)),
        ("swapped", "stop line", tuple(sorted(lines))),
        ("swapped", "lane", tuple(sorted(pieces))),
        ("drifting", "stop line", (drifting,)),
    }
    since = {fault.kind: fault.since for fault in bad.faults() if fault.role == "lane"}
    assert since["stuck"] == 600 // STRETCH_S
    assert since["dead"] == 1200 // STRETCH_S


def test_of_two_lanes_with_one_green_either_pair_may_be_swapped(record: Record) -> None:
    a, b = record.line("E1-A6_1"), record.line("E1-A6_2")
    (fault,) = spoilt(record, "passed", exchanged(a, b)).faults()
    assert (fault.kind, fault.rows) == ("swapped", (a, b))
    assert fault.or_pieces == (record.tail("E1-A6_1"), record.tail("E1-A6_2"))


def test_a_line_that_counts_every_second_is_stuck(record: Record) -> None:
    row = record.line("A2-A3_1")

    def always(values: Ints) -> None:
        values[:, row] = 1

    assert spoilt(record, "passed", always).named() == {("stuck", "stop line", (row,))}


def test_heads_that_were_never_green_or_never_ended_are_named() -> None:
    # One junction, three phases of three links; phase 2 never comes, link 2 is a crossing.
    green = np.array([[[1, 0, 1], [0, 1, 1], [0, 1, 0]]], dtype=np.bool_)
    phase = np.array([0, 0, 1, 1, 0, 0])[:, None]
    stage = np.array([0, 1, 0, 0, 1, 0])[:, None]
    changes = np.zeros((1, 3, 3), dtype=np.int64)
    last = count_changes(phase[:3], stage[:3], changes, np.array([-1]))
    count_changes(phase[3:], stage[3:], changes, last)
    crossing = np.array([[False, False, True]])
    heads = Heads(changes, green, crossing, np.ones((1, 3), dtype=np.bool_))
    assert missing_states(heads) == [(0, 2, ("red",))]
    assert changes[0, 0, 1] == changes[0, 1, 0] == 1


def test_the_report_reads_on_a_terminal_and_as_a_page() -> None:
    report = Commissioning(
        city="<Town>",
        run="r",
        since="2026-03-02T07:00:00Z",
        until="2026-03-02T08:00:00Z",
        seconds=3600,
        stop_lines=2,
        lanes=3,
        heads=4,
        faults=[],
        unseen_heads=[],
    )
    assert report.sound
    assert as_lines(report)[-1] == "all is as it should be"
    assert "&lt;Town&gt;" in as_html(report)
