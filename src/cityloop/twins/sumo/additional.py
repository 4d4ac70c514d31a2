"""Additional files of others, made safe to read: none of them may write where it lies."""

from pathlib import Path
from xml.etree import ElementTree as ET

from cityloop.twins.sumo.scenario import read_xml

_INPUTS = frozenset({"rerouter", "tazs", "include", "variableSpeedSign"})


def silence_outputs(path: Path, folder: Path) -> Path:
    """A copy of the additional file in ``folder`` whose detectors and dumps write nothing."""
    root = read_xml(path)
    for item in root.iter():
        for attribute in ("file", "dest", "output"):
            if attribute in item.attrib and item.tag not in _INPUTS:
                item.set(attribute, "NUL")
    copy = folder / f"{len(list(folder.iterdir()))}-{path.name}"
    ET.ElementTree(root).write(copy, encoding="utf-8", xml_declaration=True)
    return copy
