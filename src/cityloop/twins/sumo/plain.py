"""SUMO's plain XML files, and its ``netconvert``, which makes a network of them."""

import re
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from cityloop.kernel.errors import ConfigError
from cityloop.twins.sumo.binaries import sumo_binary, use_sumo_home


def item(tag: str, **attributes: object) -> ET.Element:
    """An element; ``from`` and ``id`` are written from_ and id_ in Python."""
    return ET.Element(tag, {key.rstrip("_"): str(value) for key, value in attributes.items()})


def write_items(path: Path, tag: str, items: Iterable[ET.Element]) -> Path:
    """A file with ``items`` under the root ``tag``."""
    root = ET.Element(tag)
    root.extend(items)
    ET.indent(root)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
    return path


def netconvert(options: Sequence[str], net: Path) -> list[str]:
    """Make the network ``net``, the same bytes for the same input; SUMO's warnings.

    Raises ConfigError with what SUMO says.
    """
    use_sumo_home()
    command = [str(sumo_binary("netconvert")), *options, "--output-file", str(net)]
    command += ["--offset.disable-normalization", "--xml-validation", "never"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0 or not net.is_file():
        raise ConfigError(f"SUMO cannot build the network: {_complaint(done.stderr)}")
    # The first comment holds the hour and the folder; without it same input gives the same file.
    text = net.read_text(encoding="utf-8")
    net.write_text(re.sub(r"<!--.*?-->\s*", "", text, count=1, flags=re.DOTALL), encoding="utf-8")
    return [line for line in done.stderr.splitlines() if line.startswith("Warning")]


def _complaint(text: str) -> str:
    """SUMO's errors on one line."""
    lines = [line.removeprefix("Error: ") for line in text.splitlines() if line.strip()]
    return " ".join(line for line in lines if not line.startswith(("Warning", "Quitting")))
