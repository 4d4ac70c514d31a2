"""``cityloop rebuild``: what is computed from the log, computed anew."""

from pathlib import Path
from typing import Annotated

import typer


def rebuild(
    folder: Annotated[Path, typer.Argument(help="A folder with a city.toml.")] = Path(),
    data: Annotated[Path | None, typer.Option(help="Where data lies; else city.toml's.")] = None,
) -> None:
    """Drop the context and the loops' memories of a city that does not run, and fold the log again.

    Nothing of the log, the history or the rejects is touched. The loops' memories come back with
    the next start, which replays the log once.
    """
    from cityloop.city.clock import wall_time
    from cityloop.city.config import read_settings
    from cityloop.city.supervisor import alone
    from cityloop.interconnection.rebuilding import rebuild_context
    from cityloop.interconnection.tenant import Place

    city = read_settings(folder).city
    place = Place((data if data is not None else folder / city.data) / city.tenant, city.store)
    with alone(place.folder):
        position, types = rebuild_context(place, wall_time)
    typer.echo(
        f"{city.tenant}: context folded again up to position {position}: "
        f"{sum(types.values()):,} entities of {len(types)} types; the loops' memories follow "
        "with the next start"
    )
