"""The loops that are installed, ours and those of other packages, in all their versions."""

from collections.abc import Mapping
from importlib.metadata import entry_points

from cityloop.city.config import Settings
from cityloop.city.loop_desk import Installed
from cityloop.kernel.loop import Loop
from cityloop.safety.shadow import Rule

LOOPS = "cityloop.loops"


def loop_versions() -> Mapping[str, tuple[Loop, ...]]:
    """Every installed loop by name, newest first: ours and those that other packages register.

    An entry point ``name`` gives the newest version and those it names as earlier ones,
    ``name@version`` a further one.
    """
    entries = sorted(entry_points(group=LOOPS), key=lambda entry: "@" in entry.name)
    versions: dict[str, dict[str, Loop]] = {}
    for newest in (entry.load() for entry in entries):
        for loop in (newest, *newest.earlier):
            versions.setdefault(loop.name, {}).setdefault(loop.version, loop)
    return {name: tuple(of_name.values()) for name, of_name in versions.items()}


def chosen_loops(settings: Settings) -> list[Installed]:
    """The loops of a city, each in the version that its settings choose."""
    known = loop_versions()
    loops = []
    for name, choice in settings.loops.items():
        versions = known[name]
        chosen = next(loop for loop in versions if choice.version in (None, loop.version))
        rule = Rule(choice.shadow_minutes, choice.shadow_refused_share)
        loops.append(Installed(versions, chosen, rule))
    return loops
