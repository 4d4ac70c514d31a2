"""Tenants: every store is reached through one, and no two share a byte."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cityloop.interconnection.tenant import Place, open_rejects, open_tenant
from cityloop.kernel.changes import Reject
from cityloop.kernel.clock import CityTime, Clock
from cityloop.kernel.errors import ConfigError
from cityloop.kernel.ports import Batch, Position

Tick = Callable[..., Batch]


def reject(number: int) -> Reject:
    return Reject("twin", "r1", CityTime(number), f"urn:l:{number}", "level", "-1", "out of range")


def test_what_one_tenant_commits_another_does_not_see(
    tmp_path: Path, store: str, clock: Clock, tick: Tick
) -> None:
    gudang, xihu = (
        open_tenant(tmp_path, "gudang", clock, store=store),
        open_tenant(tmp_path, "xihu", clock, store=store),
    )
    gudang.log.append([tick(1)])
    assert (xihu.log.last(), xihu.context.types()) == (0, {})
    assert gudang.context.types()["LaneDetector"] == 12
    gudang.close()
    xihu.close()


def test_a_tenant_is_found_again(tmp_path: Path, store: str, clock: Clock, tick: Tick) -> None:
    tenant = open_tenant(tmp_path, "gudang", clock, store=store)
    tenant.log.append([tick(1), tick(2), tick(3)])
    tenant.close()
    again = open_tenant(tmp_path, "gudang", clock, store=store, readonly=True)
    assert [commit.batch.sequence for commit in again.log.read(Position(0))] == [1, 2, 3]
    assert len(list(again.history.frames("Lamp", "r1", CityTime(0), CityTime(9999)))) == 1
    again.close()


@pytest.mark.parametrize("name", ["", "..", "a/b", "-a", "A", "ü", "a" * 64, "a\n"])
def test_a_name_that_is_no_folder_of_its_own_is_refused(
    tmp_path: Path, clock: Clock, name: str
) -> None:
    with pytest.raises(ConfigError, match="use 1 to 63 of a-z"):
        open_tenant(tmp_path, name, clock)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_tenant_is_not_made_by_looking(tmp_path: Path, clock: Clock) -> None:
    with pytest.raises(ConfigError, match="'gudang' does not exist"):
        open_tenant(tmp_path, "gudang", clock, readonly=True)


def test_only_the_owner_may_enter_a_tenants_folder(tmp_path: Path, clock: Clock) -> None:
    open_tenant(tmp_path, "gudang", clock).close()
    assert (tmp_path / "gudang").stat().st_mode & 0o777 == 0o700


def test_rejects_are_kept_newest_first(place: Place, clock: Clock) -> None:
    rejects = open_rejects(place, clock)
    rejects.offer([reject(1), reject(2)])
    rejects.offer([reject(3)])
    rejects.close()
    again = open_rejects(place, clock, readonly=True)
    assert again.newest(2) == [reject(3), reject(2)]
    assert again.total == 3


def test_of_many_rejects_the_newest_are_kept_and_all_are_counted(
    place: Place, clock: Clock
) -> None:
    rejects = open_rejects(place, clock, keep=10, max_waiting=50)
    rejects.offer(reject(number) for number in range(500))
    rejects.close()
    again = open_rejects(place, clock, readonly=True)
    assert (len(again.newest(100)), again.total) == (10, 500)
    again.close()
