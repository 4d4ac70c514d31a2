"""What was refused is kept, and enters after a mend."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.faults.running import RunningCity, running, until
from tests.faults.town import (
    LAMP,
    OTHER_LAMP,
    build_town,
    levels,
    open_door,
    push,
    register,
    wait_open,
)


@pytest.mark.slow
def test_rejects_enter_after_a_mend(tmp_path: Path, free_port: int, unused_port: int) -> None:
    town = build_town(tmp_path / "town", LAMP)
    post = [{"lamp": lamp, "level": 0.5, "at": datetime.now(UTC).isoformat()} for lamp in (1, 2)]

    open_door(town, unused_port, time="when")  # wrong: the lamps call it "at"
    with running(tmp_path, free_port, city=town) as city:
        assert push(city, unused_port, post[0]).status_code == 422
        assert reasons(city) == ["wrong time"]
        city.stop()

    open_door(town, unused_port)
    with running(tmp_path, free_port, city=town) as city:
        assert again(city) == 1
        until("the lamp", lambda: levels(tmp_path).get(LAMP))
        assert push(city, unused_port, post[1]).status_code == 422
        until("the newest reject", lambda: reasons(city)[0] == "undeclared device")
        city.stop()

    register(town, OTHER_LAMP)
    with running(tmp_path, free_port, city=town) as city:
        assert again(city) == 1
        until("the other lamp", lambda: levels(tmp_path).get(OTHER_LAMP))
        assert city.post("/api/rejects/replay", {"source": "lamps"}).status_code == 409
        city.stop()
    assert levels(tmp_path) == {LAMP: [0.5], OTHER_LAMP: [0.5]}


def reasons(city: RunningCity) -> list[str]:
    found: list[dict[str, Any]] = until("a reject", lambda: city.get("/api/rejects") or None)
    return [row["reason"].partition(":")[0] for row in found]


def again(city: RunningCity) -> int:
    wait_open(city)
    answer = city.post("/api/rejects/replay", {"source": "lamps", "by": "a mender"})
    assert answer.status_code == 200, answer.text
    count: int = answer.json()["handed_over"]
    return count
