"""The ETSI NGSI-LD test suite as it is: its packages, its @contexts, its broker of MQTT, its run.

No file of the checkout is changed. What the suite wants beside it lives in ``build/conformance``: a
virtual environment of its own, a table of the @contexts it speaks of, and a ``docker`` that knows
the two commands by which the suite starts and ends mosquitto.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

MQTT = "sub-mqtt-notification"
_CONTEXT = re.compile(r"https?://[^\s\"'<>|,;)(}{\\\]\[]+\.jsonld")
_ELSEWHERE = ("https://fiware.github.io/", "https://example.org/")
_READ = {".json", ".jsonld", ".py", ".resource", ".robot"}

_DOCKER = """#!{python}
import os, pathlib, re, signal, subprocess, sys, time
state, settings = pathlib.Path({state!r}), pathlib.Path({settings!r})
kept = state / "mosquitto.pid"
if sys.argv[1] != "run":
    if kept.exists():
        try:
            os.kill(int(kept.read_text()), signal.SIGTERM)
        except ProcessLookupError:
            pass
        kept.unlink()
        time.sleep(0.3)
    sys.exit()
name = next((word[5:] for word in sys.argv if word.startswith("CONF=")), "mosquitto.conf")
text = re.sub(r"(?m)^listener (\\d+).*$", r"listener \\1 127.0.0.1", (settings / name).read_text())
(state / name).write_text(text.replace("/mosquitto/config/", f"{{state}}/"))
for secret in settings.glob("*_pwd"):
    (state / secret.name).write_bytes(secret.read_bytes())
with open(state / "mosquitto.log", "ab") as log:
    started = subprocess.Popen(
        [{mosquitto!r}, "-c", str(state / name)],
        stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
    )
kept.write_text(str(started.pid))
time.sleep(0.3)
"""


def commit(suite: Path) -> str:
    """The commit of the checkout; ``+changed`` behind it where a file of it is not as committed."""

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=suite, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no")
    return git("rev-parse", "HEAD") + ("+changed" if changed else "")


def contexts(suite: Path, into: Path) -> list[str]:
    """Write the table URL → file of all @contexts that the suite names and brings along.

    One that it brings in a newer form stands in for the older, an empty one for those of other
    projects, which the network would give: their URLs. The core contexts are the broker's.
    """
    stood_in = []
    brought = {path.name: path for path in (suite / "resources/jsonld-contexts").glob("*.jsonld")}
    compound = next(path for name, path in sorted(brought.items()) if "compound" in name)
    table: dict[str, Any] = {}
    for url in sorted(set(_urls(suite))):
        name = url.rpartition("/")[2]
        if name in brought or "compound" in name.lower():
            table[url] = str(brought.get(name, compound))
        elif url.startswith(_ELSEWHERE):
            table[url] = {"@context": {}}
            stood_in.append(url)
    into.write_text(json.dumps(table, indent=1) + "\n")
    return stood_in


def _urls(suite: Path) -> Iterator[str]:
    for top in ("TP", "data", "resources"):
        for path in (suite / top).rglob("*"):
            if path.suffix in _READ:
                yield from _CONTEXT.findall(path.read_text(encoding="utf-8"))


def prepare(suite: Path, build: Path) -> Path:
    """The suite's own packages in an environment of their own; its Python."""
    wanted = [
        line
        for line in (suite / "requirements.txt").read_text().splitlines()
        if line.strip() and not line.startswith(("#", "-e"))
    ]
    home, stamp = build / "venv", build / "venv" / "installed"
    if not stamp.exists() or stamp.read_text() != "\n".join(wanted):
        venv.create(home, with_pip=True, clear=True)
        pip = [str(home / "bin/python"), "-m", "pip", "install", "-qq", *wanted]
        subprocess.run([*pip, "--disable-pip-version-check"], check=True)
        stamp.write_text("\n".join(wanted))
    return home / "bin/python"


def run(suite: Path, build: Path, python: Path, url: str, folders: Sequence[str]) -> dict[str, Any]:
    """Run ``folders`` of the suite against the broker at ``url``; Robot's own result."""
    host = ("notification_server_host", "context_source_host", "context_server_host")
    variables = {"url": url, "temporal_api_url": url, "mqtt_broker_host": "127.0.0.1"}
    variables |= dict.fromkeys(host, "127.0.0.1")
    environment = dict(os.environ, PYTHONDONTWRITEBYTECODE="1")
    mosquitto = _docker(suite, build)
    if mosquitto is None:
        print("mosquitto is not installed: the cases of MQTT are left out", file=sys.stderr)
    else:
        environment["PATH"] = f"{mosquitto}:{environment['PATH']}"
    command = [str(python), "-m", "robot", "--outputdir", str(build), "--output", "output.json"]
    command += ["--log", "NONE", "--report", "NONE", "--console", "dotted", "--loglevel", "WARN"]
    command += ["--pythonpath", str(suite / "libraries/robotframework-httpctrl/src")]
    command += [word for item in variables.items() for word in ("--variable", ":".join(item))]
    command += [] if mosquitto else ["--exclude", MQTT]
    subprocess.run([*command, *folders], cwd=suite, env=environment, check=False)
    if mosquitto:
        subprocess.run([mosquitto / "docker", "rm"], check=True)
    found: dict[str, Any] = json.loads((build / "output.json").read_bytes())
    return found


def _docker(suite: Path, build: Path) -> Path | None:
    """A folder with a ``docker`` that starts and ends mosquitto as the suite asks; None without."""
    mosquitto = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if mosquitto is None:
        return None
    state, folder = build / "mosquitto", build / "bin"
    for made in (state, folder):
        made.mkdir(parents=True, exist_ok=True)
    text = _DOCKER.format(
        python=sys.executable,
        state=str(state),
        settings=str(suite / "resources/mqttUtils/mosquitto"),
        mosquitto=mosquitto,
    )
    (folder / "docker").write_text(text)
    (folder / "docker").chmod(0o755)
    return folder
