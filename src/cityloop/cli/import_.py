"""``cityloop import``: a city out of a street map, a SUMO network or GeoJSON lines."""

from pathlib import Path
from typing import Annotated

import typer

Given = Path | None


def import_(
    folder: Annotated[Path, typer.Argument(help="The city's folder; made when it is not there.")],
    osm: Annotated[Given, typer.Option(help="OpenStreetMap XML of the area.")] = None,
    sumo: Annotated[Given, typer.Option(help="A SUMO network, or a .sumocfg.")] = None,
    geojson: Annotated[Given, typer.Option(help="Roads as GeoJSON lines.")] = None,
    routes: Annotated[
        list[Path] | None, typer.Option(help="SUMO traffic; repeat for more. None: made up.")
    ] = None,
    plans: Annotated[Given, typer.Option(help="A table of signal plans.")] = None,
    detectors: Annotated[Given, typer.Option(help="A table of detectors and places.")] = None,
    vehicles_per_hour: Annotated[
        float | None, typer.Option(min=1, help="How many are made up; else by lanes.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of made-up traffic.")] = 1,
    name: Annotated[str | None, typer.Option(help="Its name; else the folder's.")] = None,
) -> None:
    """Make a folder a city of your own streets, offline."""
    from cityloop.city.importing import Wanted, import_city
    from cityloop.city.newcity import names_for

    wanted = Wanted(
        osm, sumo, geojson, tuple(routes or ()), plans, detectors, vehicles_per_hour, seed
    )
    for line in import_city(folder, names_for(folder, name), wanted):
        typer.echo(line)
    typer.echo(f"Next: cityloop check {folder} && cityloop up {folder}")
