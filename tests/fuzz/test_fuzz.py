"""Every decoder under coverage-guided fuzzing for some seconds; more by hand, for hours."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SECONDS, MEMORY_MB = 12, 1200


def test_no_input_crashes_a_decoder_holds_it_up_or_makes_it_grow(tmp_path: Path) -> None:
    pytest.importorskip("atheris", reason="no atheris: it has no wheel for this Python")
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    options = [f"-max_total_time={SECONDS}", f"-rss_limit_mb={MEMORY_MB}", "-max_len=4096"]
    command = [sys.executable, "-m", "tests.fuzz.decoders", str(corpus), *options]
    found = subprocess.run(
        [*command, f"-artifact_prefix={tmp_path}/", "-seed=1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr[-4000:]
