"""Keep what a release writes, so that later ones prove that they open it.

    python -m scripts.faults.release_data    # once per release, before its tag

Writes ``tests/faults/data/VERSION.tar``, a backup of the small city of the tests: batches in two
segments and in rows, a context, a checkpoint. ``tests/faults/test_upgrade.py`` opens each.
"""

from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from tests.interconnection.conftest import tick

from cityloop import __version__
from cityloop.interconnection.backup import back_up
from cityloop.interconnection.compaction import compact
from cityloop.interconnection.tenant import open_tenant
from cityloop.kernel.clock import WallTime
from cityloop.kernel.ports import Position

DATA = Path(__file__).resolve().parents[2] / "tests" / "faults" / "data"
TENANT, TICKS, IN_SEGMENTS = "town", 25, 20
MEMORY = {"greens": np.arange(4)}


def _clock() -> WallTime:
    return WallTime(1_700_000_000_000)


def main() -> None:
    """Write the data of this version."""
    with TemporaryDirectory() as folder:
        with closing(open_tenant(Path(folder), TENANT, _clock)) as tenant:
            tenant.log.append([tick(number) for number in range(1, TICKS + 1)])
            compact(tenant.log, IN_SEGMENTS // 2)
            tenant.context.store()
            tenant.context.save_checkpoint("hub", Position(IN_SEGMENTS), MEMORY)
        DATA.mkdir(exist_ok=True)
        back_up(Path(folder) / TENANT, DATA / f"{__version__}.tar", _clock, __version__)


if __name__ == "__main__":
    main()
