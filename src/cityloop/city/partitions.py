"""How a city's loops are cut into parts."""

from collections.abc import Sequence

import numpy as np

from cityloop.city.site import Site
from cityloop.kernel.loop import Ints, Loop
from cityloop.kernel.partition import dealt, ids_named


def parts_of(site: Site, loop: Loop) -> Sequence[Ints]:
    """The rows of each part of ``loop``; none where it cannot be divided.

    Neighbours stay together, so that halos are small: rows are dealt out group by group, as the
    settings name them, and within a group as they stand in the network.
    """
    if loop.partition is None:
        return ()
    knows = {"network": site.network}
    ids = ids_named(loop.partition.key, knows)
    group = {
        junction: number
        for number, junctions in enumerate(site.settings.groups.values())
        for junction in junctions
    }
    of = np.array([group.get(name.rpartition(":")[2], len(group)) for name in ids], dtype=np.int64)
    return dealt(np.argsort(of, kind="stable"), site.settings.city.partitions)
