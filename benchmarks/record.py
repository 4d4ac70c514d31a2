"""How benchmarks keep their last result: ``benchmarks/results/<name>.json``."""

import json
import platform
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Result:
    """One figure; ``baseline`` is the other side of ``ratio``, measured in the same run."""

    name: str
    value: float
    unit: str
    baseline: float | None = None
    ratio: float | None = None


def record(benchmark: str, *results: Result) -> None:
    """Write and print ``results`` with the CPU seconds so far, the machine and the commit."""
    times = psutil.Process().cpu_times()
    shared = {
        "cpu_s": round(time.process_time() + times.children_user + times.children_system, 2),
        "machine": f"{platform.machine()}, {psutil.cpu_count()} cores, Python "
        f"{platform.python_version()}",
        "commit": _commit(),
    }
    rows = [asdict(result) | shared for result in results]
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(rows, indent=2)
    (RESULTS / f"{benchmark}.json").write_text(text + "\n", encoding="utf-8")
    print(text)


def _commit() -> str:
    told = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    )
    return told.stdout.strip() or "unknown"
