from pathlib import Path

from tests.faults.running import running, until
from tests.twins.grid import write_grid_city

PORT = 18467


def test_one_process_controls_every_signal_of_a_city_of_queues(tmp_path: Path) -> None:
    city = tmp_path / "grid"
    city.mkdir()
    write_grid_city(city, signals=64, vehicles_per_hour=4000)
    options = ("--speed", "max", "--no-baseline")
    with running(tmp_path / "data", PORT, *options, city=city) as up:
        until(
            "ten minutes",
            lambda: (up.get("/api/summary") or {}).get("decisions_total", 0) > 800 or None,
        )
        summary, state = up.get("/api/summary"), up.get("/api/state")
        up.stop()
    assert summary["signals"] == 64
    assert (summary["rejected_total"], summary["fallbacks_total"]) == (0, 0)
    by_centre = [in_charge for *_, in_charge in state["junctions"]]
    assert by_centre == [1] * 64
