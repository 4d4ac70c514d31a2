"""New city folders: a ``city.toml`` that runs, with its schema; what is there is never changed."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from cityloop.city.config import city_schema
from cityloop.kernel.errors import ConfigError

SETTINGS, SCHEMA, TABLES = "city.toml", "city.schema.json", "tables"
DEVICES, LIVE_DEVICES = "devices.csv", "live_devices.csv"


@dataclass(frozen=True, slots=True)
class Names:
    """What a new city is called."""

    name: str
    tenant: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the network's origin lies: degrees, and what to tell people about it."""

    latitude: float
    longitude: float
    approximate: bool
    note: str


STARTER_PLACE = Origin(0.0, 0.0, True, "A made-up place; put your own here.")


def names_for(folder: Path, name: str | None) -> Names:
    """The names of a city in ``folder``, from ``name`` or else the folder's own."""
    shown = name or folder.resolve().name
    letters = "".join(c if c.isascii() and c.isalnum() else "-" for c in shown.lower())
    letters = letters.strip("-")[:40]
    tenant = letters if letters[:1].isalpha() else f"city-{letters}".rstrip("-")
    return Names(shown[:80].replace('"', "'").replace("\\", "/"), tenant)


def settings_text(names: Names, twin: str, origin: Origin | None = None) -> str:
    """A commented ``city.toml``; ``twin``: the line that names the network."""
    return _filled("city.toml", names, origin or STARTER_PLACE).replace("@TWIN@", twin)


def _filled(starter: str, names: Names, place: Origin) -> str:
    text = (resources.files("cityloop.city.starter") / starter).read_text(encoding="utf-8")
    values = {
        "NAME": names.name,
        "TENANT": names.tenant,
        "LATITUDE": f"{place.latitude:.6f}",
        "LONGITUDE": f"{place.longitude:.6f}",
        "APPROXIMATE": "true" if place.approximate else "false",
        "NOTE": place.note,
    }
    for word, value in values.items():
        text = text.replace(f"@{word}@", value)
    return text


STARTER_TWIN = f'tables = "{TABLES}"'


def starter_files(names: Names) -> Iterator[tuple[str, str]]:
    """(name, content) of each file of a new city with a twin."""
    yield SETTINGS, settings_text(names, STARTER_TWIN)
    yield SCHEMA, city_schema()
    for table in resources.files("cityloop.city.starter").iterdir():
        if table.name.endswith(".csv") and table.name != LIVE_DEVICES:
            yield f"{TABLES}/{table.name}", table.read_text(encoding="utf-8")


def live_starter_files(names: Names) -> Iterator[tuple[str, str]]:
    """The same of one without a twin: a source, and a device that may speak."""
    yield SETTINGS, _filled("live.toml", names, STARTER_PLACE)
    yield SCHEMA, city_schema()
    devices = resources.files("cityloop.city.starter") / LIVE_DEVICES
    yield DEVICES, devices.read_text(encoding="utf-8")


def write_starter(folder: Path, names: Names, *, live: bool = False) -> tuple[list[str], list[str]]:
    """Make ``folder`` a city that runs; which files were written, and which were there already.

    A folder whose city.toml is there is left as it is. Raises ConfigError where nothing can be
    written. ``live``: one that has no twin, for which its sources speak.
    """
    if (folder / SETTINGS).exists():
        return [], [SETTINGS]
    written: list[str] = []
    kept: list[str] = []
    files = live_starter_files(names) if live else starter_files(names)
    for name, text in sorted(files):
        (written if write_new(folder / name, text) else kept).append(name)
    return written, kept


def write_new(path: Path, text: str) -> bool:
    """Write a file that is not there yet; False where it is. Raises ConfigError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError:
        return False
    except OSError as error:
        raise ConfigError(
            f"cannot write {path}: {error.strerror}; choose another folder"
        ) from error
    return True
