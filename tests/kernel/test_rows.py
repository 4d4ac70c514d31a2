"""Rows: the same observations as frames, whatever order devices speak in."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cityloop.interconnection.picture import Picture
from cityloop.kernel.frame import Column, EntityIds
from cityloop.kernel.ports import Batch
from cityloop.kernel.rows import Rows

METERS = EntityIds(["a", "b", "c"])


@st.composite
def sparse(draw: st.DrawFn) -> Rows:
    count = draw(st.integers(0, 8))

    def numbers(dtype: str, top: int) -> np.ndarray:
        return draw(hnp.arrays(dtype, count, elements=st.integers(0, top)))

    masks = st.none() | hnp.arrays(np.bool_, count)
    level = Column(numbers("int64", 99), draw(masks), draw(masks))
    return Rows("Meter", "r", METERS, numbers("int32", 2), numbers("int64", 3), {"level": level})


@given(sparse())
def test_frames_hold_every_row_once_in_order_of_time(rows: Rows) -> None:
    frames = list(rows.frames())
    assert [f.observed_at for f in frames] == sorted(f.observed_at for f in frames)
    told = [(e, f.observed_at, v) for f in frames for e, v in zip(f.ids, f["level"], strict=True)]
    names = [METERS.names[i] for i in rows.entity]
    said = zip(names, rows.observed_at, rows.columns["level"].values, strict=True)
    assert sorted(told) == sorted(said)
    assert sum(f.observations for f in frames) == rows.observations


@given(st.lists(sparse(), max_size=3))
def test_the_newest_row_of_a_device_is_its_value_now_as_with_frames(parts: list[Rows]) -> None:
    by_rows, by_frames = Picture(), Picture()
    for part in parts:
        by_rows.fold(Batch("s", "r", 1, rows=(part,)))
        by_frames.fold(Batch("s", "r", 1, tuple(part.frames())))
    for name in METERS:
        assert by_rows.held("Meter", name) == by_frames.held("Meter", name)
