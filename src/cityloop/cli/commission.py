"""``cityloop commission``: is every detector and signal head as it should be?"""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cityloop.kernel.clock import CityTime, city_time
from cityloop.kernel.errors import ConfigError

if TYPE_CHECKING:
    from cityloop.city.commission_report import Commissioning
    from cityloop.city.commissioning import Span


def commission_(
    folder: Annotated[Path, typer.Argument(help="A folder with a city.toml.")],
    run: Annotated[str | None, typer.Option(help="The run; else the newest.")] = None,
    since: Annotated[str | None, typer.Option(help="From this city time, ISO 8601.")] = None,
    until: Annotated[str | None, typer.Option(help="Up to this city time, ISO 8601.")] = None,
    data: Annotated[Path | None, typer.Option(help="Where data lies; else city.toml's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write the report to this page.")] = None,
) -> None:
    """Name dead, stuck, swapped and drifting detectors, and heads not seen in every state."""
    import msgspec

    from cityloop.city.commission_report import as_html, as_lines
    from cityloop.city.commissioning import Span

    asked = Span(run, _moment(since, "--since"), _moment(until, "--until"))
    report = _report(folder, data, asked)
    if html is not None:
        html.write_text(as_html(report), encoding="utf-8")
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(report)).decode())
    else:
        typer.echo("\n".join(as_lines(report)))
    if not report.sound:
        raise typer.Exit(1)


def _report(folder: Path, data: Path | None, asked: "Span") -> "Commissioning":
    from cityloop.city.clock import wall_time
    from cityloop.city.commissioning import TYPES, commission
    from cityloop.city.survey import survey
    from cityloop.interconnection.past import Past
    from cityloop.interconnection.tenant import open_tenant

    found = survey(folder, data)
    city = found.settings.city
    tenant = open_tenant(found.root, city.tenant, wall_time, store=city.store, readonly=True)
    try:
        past = Past(tenant.log, TYPES)
        return commission(past, found.network, city.name, asked)
    finally:
        tenant.close()


def _moment(text: str | None, option: str) -> CityTime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{option} {text}: write e.g. 2026-03-02T07:00:00Z") from None
    if moment.tzinfo is None:
        raise ConfigError(f"{option} {text} has no time zone; write e.g. {text}Z")
    return city_time(moment)
