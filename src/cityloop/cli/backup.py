"""``cityloop backup`` and ``cityloop restore``: all that a city remembers, in one file."""

from pathlib import Path
from typing import Annotated

import typer

from cityloop.kernel.errors import ConfigError

_City = Annotated[Path, typer.Argument(help="A folder with a city.toml.")]
_Data = Annotated[Path | None, typer.Option(help="Where data lies; else city.toml's.")]


def backup(
    folder: _City,
    file: Annotated[Path, typer.Argument(help="The archive to write.")],
    data: _Data = None,
) -> None:
    """Write all that a city remembers to one archive; it may run meanwhile."""
    from cityloop import __version__
    from cityloop.city.clock import wall_time
    from cityloop.city.config import read_settings
    from cityloop.interconnection.backup import back_up
    from cityloop.interconnection.tenant import SQLITE

    if read_settings(folder).city.store != SQLITE:
        raise ConfigError(
            f"the log of {folder} lies in PostgreSQL: back that up with pg_basebackup or pg_dump, "
            "as docs/how-to/back-up.md says"
        )
    manifest = back_up(_tenant_folder(folder, data), file, wall_time, __version__)
    size = sum(held.size for held in manifest.files.values())
    typer.echo(
        f"{file}: tenant {manifest.tenant} up to position {manifest.position}, "
        f"{len(manifest.files)} files, {size:,} bytes"
    )


def restore(
    file: Annotated[Path, typer.Argument(help="An archive that `cityloop backup` wrote.")],
    folder: _City = Path(),
    data: _Data = None,
    verify: Annotated[bool, typer.Option("--verify", help="Check it, write nothing.")] = False,
) -> None:
    """Put a city's archive where its data was; every file is held against its checksum."""
    from cityloop.interconnection import backup as archive

    if not file.is_file():
        raise ConfigError(f"{file} is not there; name an archive that cityloop backup wrote")
    if verify:
        manifest, done = archive.verify(file), "sound"
    else:
        manifest, done = archive.restore(file, _tenant_folder(folder, data)), "restored"
    typer.echo(f"{file}: {done}; tenant {manifest.tenant} up to position {manifest.position}")


def _tenant_folder(folder: Path, data: Path | None) -> Path:
    from cityloop.city.config import read_settings

    city = read_settings(folder).city
    return (data if data is not None else folder / city.data) / city.tenant
