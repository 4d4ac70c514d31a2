"""``cityloop check``: everything that is wrong with a city, before it starts."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cityloop.kernel.errors import ConfigError, MistakeError, MistakesError

if TYPE_CHECKING:
    from cityloop.city.survey import Survey


def check(
    folder: Annotated[Path, typer.Argument(help="A folder with a city.toml.")] = Path(),
    data: Annotated[Path | None, typer.Option(help="Where data lies; else city.toml's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Tell mistakes as JSON.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print city.toml's schema.")] = False,
) -> None:
    """Tell every mistake in a city at once, with its place and how to mend it."""
    from cityloop.city.config import city_schema
    from cityloop.city.survey import survey

    if schema:
        typer.echo(city_schema(), nl=False)
        return
    try:
        found = survey(folder, data)
    except ConfigError as error:
        if not as_json:
            raise
        typer.echo(json.dumps(_plain(error), ensure_ascii=False, indent=2))
        raise typer.Exit(2) from None
    typer.echo("[]" if as_json else _all_well(found))


def _plain(error: ConfigError) -> list[dict[str, object]]:
    each = error.each if isinstance(error, MistakesError) else (error,)
    return [
        {"file": it.file, "line": it.line, "what": it.what, "mend": it.mend}
        if isinstance(it, MistakeError)
        else {"file": None, "line": None, "what": str(it), "mend": None}
        for it in each
    ]


def _all_well(found: "Survey") -> str:
    network, settings = found.network, found.settings
    counts = {
        "signal": len(network.bank.junctions),
        "lane detector": len(network.detector_ids),
        "loop": len(settings.loops),
        "group": len(settings.groups),
    }
    parts = ", ".join(f"{count} {name}{'s' * (count != 1)}" for name, count in counts.items())
    return f"{settings.city.name}: no mistake. {parts}"
