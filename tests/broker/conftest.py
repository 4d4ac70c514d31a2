"""The stores that every suite of the broker runs over."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker.places import STORES, Place, placed


@pytest.fixture(params=STORES[:2])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A new place of each kind of store."""
    with placed(request.param, tmp_path, request) as found:
        yield found


@pytest.fixture(params=[STORES[0], pytest.param(STORES[1], marks=pytest.mark.slow)])
def killed_place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """The same for what takes long; databases in the long tests alone."""
    with placed(request.param, tmp_path, request) as found:
        yield found


@pytest.fixture(params=[STORES[0], pytest.param(STORES[1], marks=pytest.mark.slow)], scope="module")
def long_shared_place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """``shared_place`` with databases in the long tests alone."""
    with placed(request.param, tmp_path_factory.mktemp("place"), request) as found:
        yield found


@pytest.fixture(
    params=[*STORES[:2], pytest.param(STORES[2], marks=pytest.mark.slow)], scope="module"
)
def shared_place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """One for all tests of a module, of each kind of store."""
    with placed(request.param, tmp_path_factory.mktemp("place"), request) as found:
        yield found
