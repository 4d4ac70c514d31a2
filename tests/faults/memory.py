"""Whether the memory that a city carries on is that of a run that was never broken."""

from pathlib import Path

import numpy as np

from cityloop.city.build import build_site
from cityloop.city.build_hub import build_hub
from cityloop.city.clock import wall_time
from cityloop.city.memory import recover
from cityloop.interconnection.tenant import open_tenant
from cityloop.kernel.ports import Position


def memory_differs(home: Path, data: Path) -> list[str]:
    """The names of what differs between checkpoint and replay, and a fold of the whole log."""
    site = build_site(home, data)
    tenant = open_tenant(data, site.place.tenant, wall_time, store=site.place.store)
    unbroken = build_hub(site, tenant, epoch=1)
    for commit in tenant.log.read(Position(0)):
        unbroken.replay(commit)
    recovered = build_hub(site, tenant, epoch=1)
    recover(recovered, tenant)
    ours, theirs = recovered.save(), unbroken.save()
    tenant.close()
    return [
        name
        for name in sorted(ours.keys() | theirs.keys())
        if name not in ours or name not in theirs or not np.array_equal(ours[name], theirs[name])
    ]
