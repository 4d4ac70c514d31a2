"""The report of the commissioning check: as data, for a terminal, as a page."""

from html import escape

import msgspec


class FaultRow(msgspec.Struct, frozen=True, kw_only=True):
    """A detector that is not as its neighbours say it should be; ``since``, ``until``: ISO 8601."""

    kind: str
    devices: list[str]
    since: str
    until: str
    seen: float
    expected: float
    text: str


class HeadRow(msgspec.Struct, frozen=True, kw_only=True):
    """A signal head that was not seen in all of its states."""

    junction: str
    link: int
    from_lane: str
    to_lane: str
    missing: list[str]


class Commissioning(msgspec.Struct, frozen=True, kw_only=True):
    """The report. ``seconds``: of the record that were looked at."""

    city: str
    run: str
    since: str
    until: str
    seconds: int
    stop_lines: int
    lanes: int
    heads: int
    faults: list[FaultRow]
    unseen_heads: list[HeadRow]

    @property
    def sound(self) -> bool:
        """Whether nothing has to be mended; what nobody drove over is no fault."""
        return not self.unseen_heads and all(row.kind == "unproven" for row in self.faults)


def as_lines(report: Commissioning) -> list[str]:
    """The report for a terminal."""
    devices = f"{report.stop_lines} stop-line detectors, {report.lanes} lane detectors"
    lines = [
        f"{report.city}, run {report.run}: {report.seconds} s from {report.since}",
        f"{devices}, {report.heads} signal heads",
    ]
    lines += [f"{row.kind:<9} {row.text}" for row in report.faults]
    lines += [
        f"unseen    head {row.link} of {row.junction} ({row.from_lane} to {row.to_lane}) "
        f"was never {' or '.join(row.missing)}"
        for row in report.unseen_heads
    ]
    return [*lines, "all is as it should be" if report.sound else "see to these"]


def as_html(report: Commissioning) -> str:
    """The report as a page that stands alone."""
    faults_ = "".join(
        f"<tr><td>{row.kind}<td>{escape(row.text)}<td>{row.since}<td>{row.until}"
        for row in report.faults
    )
    heads = "".join(
        f"<tr><td>{escape(row.junction)}<td>{row.link}<td>{escape(row.from_lane)}"
        f"<td>{escape(row.to_lane)}<td>{', '.join(row.missing)}"
        for row in report.unseen_heads
    )
    head = "".join(f"<p>{escape(line)}</p>" for line in as_lines(report)[:2])
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Commissioning check</title>'
        "<style>body{font:15px/1.5 sans-serif;margin:2rem;max-width:70rem}table{border-collapse:"
        "collapse}td,th{border:1px solid #bbb;padding:.2rem .6rem;text-align:left}</style>"
        f"<h1>Commissioning check</h1>{head}"
        f"<h2>Detectors: {len(report.faults)}</h2><table><tr><th>fault<th>what<th>since<th>until"
        f"{faults_}</table><h2>Signal heads not seen in every state: {len(report.unseen_heads)}"
        "</h2><table><tr><th>junction<th>head<th>from<th>to<th>never seen"
        f"{heads}</table></html>\n"
    )
