"""Libraries of ours in C that a process under test loads (LD_PRELOAD), built when needed."""

import os
import shutil
import subprocess
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_BUILT = _HERE.parents[1] / "build"


def has_compiler() -> bool:
    """Whether this machine can build them: it takes gcc."""
    return shutil.which("gcc") is not None


def library(name: str) -> Path:
    """``name.c`` of this folder, built where it is older than its source; CalledProcessError."""
    source, made = _HERE / f"{name}.c", _BUILT / f"{name}.so"
    if not made.exists() or made.stat().st_mtime < source.stat().st_mtime:
        _BUILT.mkdir(exist_ok=True)
        draft = made.with_suffix(f".{os.getpid()}")
        options = ["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror"]
        subprocess.run(["gcc", *options, "-o", draft, source, "-lpthread"], check=True)
        draft.replace(made)
    return made
