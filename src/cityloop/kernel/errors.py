"""One tree of errors; each says what to do next (retry, mend the input, ask a person)."""


class CityloopError(Exception):
    """Whatever cityloop raises on purpose. The message says what was wrong, where, what to do."""


class ConfigError(CityloopError):
    """A file that a person wrote cannot be used as it is; mend it and start again."""


class InputError(CityloopError):
    """Something that arrived cannot be read; it is kept and counted, the rest goes on."""


class CorruptError(CityloopError):
    """Stored data fails its own check; restore or rebuild, do not go on."""


class BusyError(CityloopError):
    """A bounded queue is full or a peer is away; try again later."""


class RefusedError(CityloopError):
    """A person or client asked for what is not permitted here and now."""


class MissingError(CityloopError):
    """Something that was asked for by name does not exist, or no longer."""
