"""Names that survive a power cut: a file's content is safe once it was fsynced, its name once its
folder was, and the folder's own name once the folder above it was.
"""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Wait until the disk has a file, or the names in a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(path: Path, mode: int = 0o777) -> None:
    """Make a folder, and those above it, where they are not there; its name is durable then.

    ``mode``: of the folder itself. It is synced where it is there, too: whoever made it may have
    been killed before. Raises OSError.
    """
    if not path.parent.is_dir():
        make_folder(path.parent)
    path.mkdir(mode=mode, exist_ok=True)
    sync(path.parent)
