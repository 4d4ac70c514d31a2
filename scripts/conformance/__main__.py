"""``python -m scripts.conformance SUITE [FOLDER …]``: runs the suite, counts, writes what it found.

``SUITE``: a checkout of the ETSI NGSI-LD test suite. Without folders all that the broker answers
for: context information without entity maps and snapshots, @contexts, common behaviours. Ports:
9090 for the broker, 8085 to 8087 for the suite's own servers.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
from scripts.conformance import report, results, suite

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "conformance"
PORT = 9090
URL = f"http://127.0.0.1:{PORT}/ngsi-ld/v1"
FOLDERS = tuple(
    f"TP/NGSI-LD/{name}"
    for name in (
        "ContextInformation/Provision",
        "ContextInformation/Consumption",
        "ContextInformation/Subscription",
        "jsonldContext",
        "CommonBehaviours",
    )
)
_START_S = 90


def main(checkout: Path, folders: Sequence[str]) -> None:
    """Run it; the page of the manual is only written for a whole run."""
    BUILD.mkdir(parents=True, exist_ok=True)
    table = BUILD / "contexts.json"
    stood_in = suite.contexts(checkout, table)
    python = suite.prepare(checkout, BUILD)
    with tempfile.TemporaryDirectory() as store:
        broker = _start(Path(store), table)
        try:
            found = suite.run(checkout, BUILD, python, URL, folders or FOLDERS)
        finally:
            broker.terminate()
            broker.wait()
    cases = results.cases(found, checkout)
    (ROOT / "build" / "conformance.json").write_text(json.dumps(results.written(cases), indent=1))
    if not folders:
        page = report.page(cases, suite.commit(checkout), stood_in)
        (ROOT / "docs" / "conformance.md").write_text(page, encoding="utf-8")
    print(report.text(cases))


def _start(store: Path, contexts: Path) -> "subprocess.Popen[bytes]":
    """The broker, ready to answer. Raises TimeoutError when it does not come up."""
    command = [str(Path(sys.executable).parent / "cityloop"), "broker", "--port", str(PORT)]
    command += ["--store", str(store), "--contexts", str(contexts)]
    # The suite serves some @contexts itself, from this machine.
    command += ["--trust", "127.0.0.1"]
    broker = subprocess.Popen(command)
    until = time.monotonic() + _START_S
    while time.monotonic() < until and broker.poll() is None:
        try:
            httpx.get(f"{URL}/types", timeout=5)
            return broker
        except httpx.TransportError:
            time.sleep(0.1)
    broker.kill()
    raise TimeoutError(f"the broker does not answer at {URL} within {_START_S} s")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("say where the suite is: make conformance SUITE=<checkout>")
    main(Path(sys.argv[1]).resolve(), sys.argv[2:])
