"""A loop in parts, with a halo of what neighbours see, decides what the whole decides."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.domains.test_conformance import Passing, modes
from tests.faults.running import HANGZHOU

from cityloop.city.build import build_site
from cityloop.city.installed import loop_versions
from cityloop.city.site import Site
from cityloop.kernel.clock import CityTime
from cityloop.kernel.cycle import Pass
from cityloop.kernel.frame import Column, Frame
from cityloop.kernel.loop import Loop
from cityloop.kernel.partition import columns_of, ids_named, joined
from cityloop.kernel.ports import Batch
from cityloop.kernel.runner import Runner

LOOPS = {
    f"{v.name}@{v.version}": v
    for of_name in loop_versions().values()
    for v in of_name
    if v.partition is not None
}


@lru_cache
def site() -> Site:
    return build_site(HANGZHOU, Path(mkdtemp()))


def runner(loop: Loop, knows: Mapping[str, Any]) -> Runner:
    return Runner([loop], knows, Passing(), site().network.bank.ids)


def traffic(loop: Loop, second: int, rng: np.random.Generator) -> Batch:
    """Queues, silences and phases such as a street has, and a few that none has."""
    frames = []
    for watch in loop.watches.values():
        ids = ids_named(watch.rows, {"network": site().network})
        columns = {}
        for name in watch.attributes:
            values = rng.integers(0, 3 if watch.type == "SignalController" else 9, len(ids)) * 1.0
            if name == "stageAge":
                values = values * 20
            columns[name] = Column(values, absent=rng.random(len(ids)) < 0.02)
        frames.append(Frame(watch.type, "a", CityTime(second * 1000), ids, columns))
    return Batch("test", "a", second, tuple(frames))


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from(sorted(LOOPS)),
    st.lists(st.integers(0, 4), min_size=16, max_size=16),
    st.integers(0, 2**32),
)
def test_parts_of_a_loop_see_what_the_whole_sees(name: str, of: list[int], seed: int) -> None:
    loop, rng = LOOPS[name], np.random.default_rng(seed)
    whole, part = runner(loop, {"network": site().network}), loop.partition
    assert part is not None
    ids = ids_named(part.key, {"network": site().network})
    rows = [np.flatnonzero(np.array(of) == one) for one in sorted(set(of))]
    runners = [runner(loop, part.halo({"network": site().network}, r)) for r in rows]
    for second in range(1, 25):
        batch = traffic(loop, second, rng)
        seen: tuple[Pass, ...] = whole.turn(batch, lambda _: modes(site()))[1]
        told = [columns_of(r.follow(batch)[0][2].findings) for r in runners]
        findings, of_rows = joined(part, ids, list(zip(rows, told, strict=True)))
        assert of_rows.tolist() == list(range(len(ids)))
        for column, values in columns_of(seen[0].findings).items():
            np.testing.assert_array_equal(getattr(findings, column), values, err_msg=column)
        ours, theirs = loop.respond(findings), seen[0].proposals
        assert theirs is not None
        assert ours.rows.tolist() == theirs.rows.tolist()
        assert ours.actions.tolist() == theirs.actions.tolist()
        assert [ours.reason(i) for i in range(len(ours))] == [
            theirs.reason(i) for i in range(len(theirs))
        ]
