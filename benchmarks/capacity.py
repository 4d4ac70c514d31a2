"""What a city of so many people needs, from measured figures: docs/explanation/capacity.md.

    python -m benchmarks.capacity

writes the tables of that page anew from ``benchmarks/results`` and the assumptions below. Pure
arithmetic but for the reading and writing.
"""

import json
from collections.abc import Mapping
from math import ceil
from pathlib import Path

from benchmarks.record import RESULTS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "explanation" / "capacity.md"
BEGIN, END = "<!-- table {} -->\n", "<!-- end {} -->"
Figures = Mapping[str, float]

ASSUMED: Mapping[str, tuple[float, str]] = {
    "signals": (230, "signals for a million people (Wuxi: 1,723 for 7.5 million)"),
    "signal_values": (38, "values a second of one signal with its detectors (`benchmarks.fleet`)"),
    "devices": (500_000, "other devices for a million people: lamps, meters, air, parking"),
    "device_s": (900, "seconds between two messages of a device"),
    "device_values": (2, "values of such a message"),
    "vehicles": (300_000, "vehicles for a million people that tell where they are"),
    "under_way": (0.1, "share of them under way"),
    "vehicle_s": (10, "seconds between two messages of one under way"),
    "vehicle_values": (4, "values of such a message"),
    "node_cores": (16, "cores of a node"),
    "node_gb": (64, "GB of memory of a node"),
    "load": (0.5, "how far cores and memory are used at most"),
    "node_eur": (450, "€ a month for a node"),
    "tb_eur": (20, "€ a month for a TB of object storage"),
    "kept_days": (30, "days that raw history is kept"),
    "message_bytes": (300, "bytes of a message on the wire"),
    "camera_mbit": (4, "Mbit/s of a camera"),
}
MEASURED: Mapping[str, tuple[str, str, str]] = {
    "intake": ("intake", "the same by CPU of the intake", "messages a core of an intake takes in"),
    "both": ("intake", "the same by CPU of intake and hub", "the same, the hub's share included"),
    "hub_mib": ("intake", "hub with 50000 devices of 20 types", "MiB of a hub of 50,000 devices"),
    "regular_b": ("history", "bytes per observation", "bytes a value of detectors, compacted"),
    "fresh_b": ("history", "bytes per observation before compaction", "bytes a value, as it comes"),
    "fleet_ms": (
        "fleet",
        "1723 signals: CPU of a second, hub",
        "ms of the hub's core a second: gate, log, context, loop and guard of 1,723 signals",
    ),
}
PEOPLE = (1, 10, 100)
"""Millions."""
PETABYTES = 1.2


def measured() -> dict[str, float]:
    """The figures of ``MEASURED`` as the benchmarks kept them last."""
    out = {}
    for key, (file, name, _) in MEASURED.items():
        rows = json.loads((RESULTS / f"{file}.json").read_text(encoding="utf-8"))
        out[key] = next(float(row["value"]) for row in rows if row["name"] == name)
    return out


def city(millions: float, given: Figures) -> dict[str, float]:
    """What a city of ``millions`` of people sends, and what that takes."""
    signals = millions * given["signals"]
    devices = millions * (given["devices"] + given["vehicles"])
    from_devices = millions * given["devices"] / given["device_s"]
    from_vehicles = millions * given["vehicles"] * given["under_way"] / given["vehicle_s"]
    regular = signals * given["signal_values"]
    other = from_devices * given["device_values"] + from_vehicles * given["vehicle_values"]
    messages = signals + from_devices + from_vehicles
    intake_cores, hub_cores = _cores(messages, given)
    hub_cores += signals / 1723 * given["fleet_ms"] / 1000
    hub_gb = devices / 50_000 * given["hub_mib"] * 2**20 / 1e9
    room_gb = given["node_gb"] * given["load"]
    hubs = ceil(max(hub_cores / given["load"], hub_gb / room_gb))
    cores = (intake_cores + hub_cores) / (given["node_cores"] * given["load"])
    nodes = ceil(max(cores, hub_gb / room_gb))
    day_gb = (regular * given["regular_b"] + other * given["fresh_b"]) * 86400 / 1e9
    kept_tb = day_gb * given["kept_days"] / 1000
    return {
        "signals": signals,
        "devices and vehicles": devices,
        "messages a second": messages,
        "observations a second": regular + other,
        "cores of intakes": intake_cores,
        "cores of hubs": hub_cores,
        "GB of memory of hubs": hub_gb,
        "hubs (partitions by district)": hubs,
        "nodes": nodes,
        "GB of history a day": day_gb,
        "TB kept": kept_tb,
        "€ a month": nodes * given["node_eur"] + kept_tb * given["tb_eur"],
    }


def petabytes(given: Figures) -> dict[str, float]:
    """What 1.2 PB a day are: as messages, and as what cameras film."""
    messages = PETABYTES * 1e15 / 86400 / given["message_bytes"]
    intake_cores, hub_cores = _cores(messages, given)
    return {
        "GB a second": PETABYTES * 1e6 / 86400,
        "messages a second": messages,
        "cores of intakes": intake_cores,
        "cores of hubs": hub_cores,
        "nodes": ceil((intake_cores + hub_cores) / (given["node_cores"] * given["load"])),
        "millions of people who send so many": messages / city(1, given)["messages a second"],
        "cameras that film so much": PETABYTES * 1e15 / 86400 / (given["camera_mbit"] * 1e6 / 8),
    }


def _cores(messages: float, given: Figures) -> tuple[float, float]:
    """Cores of intakes and of hubs for so many messages a second."""
    return messages / given["intake"], messages * (1 / given["both"] - 1 / given["intake"])


def shown(value: float) -> str:
    """Three digits that matter, thousands apart."""
    if value >= 1000:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}"


def tables(given: Figures) -> dict[str, str]:
    """The tables of the page by name, of these assumed and measured figures."""
    assumed = [f"| {text} | {shown(given[key])} |" for key, (_, text) in ASSUMED.items()]
    found = [
        f"| {text} | {shown(given[key])} | `{file}.json` |"
        for key, (file, _, text) in MEASURED.items()
    ]
    cities = [city(millions, given) for millions in PEOPLE]
    needs = [f"| {row} | {' | '.join(shown(c[row]) for c in cities)} |" for row in cities[0]]
    day = [f"| {row} | {shown(value)} |" for row, value in petabytes(given).items()]
    heads = {
        "assumed": ("| assumed | |\n|---|---|", assumed),
        "measured": (
            "| measured on one shared core | | in benchmarks/results |\n|---|---|---|",
            found,
        ),
        "cities": ("| people | 1 million | 10 million | 100 million |\n|---|---|---|---|", needs),
        "petabytes": ("| 1.2 PB a day | |\n|---|---|", day),
    }
    return {name: "\n".join((head, *rows)) + "\n" for name, (head, rows) in heads.items()}


def written(page: str, given: Figures) -> str:
    """``page`` with its tables of ``given``."""
    for name, table in tables(given).items():
        begin, end = BEGIN.format(name), END.format(name)
        before, _, rest = page.partition(begin)
        page = f"{before}{begin}\n{table}\n{end}{rest.partition(end)[2]}"
    return page


def known() -> dict[str, float]:
    """Assumed and measured figures together."""
    return {key: value for key, (value, _) in ASSUMED.items()} | measured()


def main() -> None:
    """Write the page's tables anew."""
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(written(page, known()), encoding="utf-8")
    for table in tables(known()).values():
        print(table)


if __name__ == "__main__":
    main()
