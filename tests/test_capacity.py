"""The capacity page is arithmetic on measured figures: it is computed again here."""

from benchmarks.capacity import PAGE, city, known, written


def test_the_page_is_what_its_figures_give() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == written(page, known()), "run: python -m benchmarks.capacity"


def test_ten_times_the_people_need_ten_times_the_cores_and_storage() -> None:
    small, large = city(1, known()), city(10, known())
    for row in ("messages a second", "cores of intakes", "cores of hubs", "GB of history a day"):
        assert abs(large[row] / small[row] - 10) < 1e-9
