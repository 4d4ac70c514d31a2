"""One tree of errors; each says what to do next (retry, mend the input, ask a person)."""

from collections.abc import Sequence

from cityloop.kernel.reasons import Reason


class CityloopError(Exception):
    """Whatever cityloop raises on purpose. The message says what was wrong, where, what to do."""


class ConfigError(CityloopError):
    """A file that a person wrote cannot be used as it is; mend it and start again."""


class MistakeError(ConfigError):
    """One mistake in a file: where (``line`` None: nowhere in particular), what, how to mend it."""

    def __init__(self, file: object, line: int | None, what: str, mend: str) -> None:
        self.file, self.line, self.what, self.mend = str(file), line, what, mend
        place = self.file if line is None else f"{self.file}:{line}"
        super().__init__(f"{place}: {what}; {mend}")


class ConsequenceError(ConfigError):
    """What is wrong only because of a mistake that is told already; ``Gathered`` leaves it out."""


class MistakesError(ConfigError):
    """Several mistakes found together; the message has a line for ``each``."""

    def __init__(self, each: Sequence[ConfigError]) -> None:
        self.each = tuple(each)
        super().__init__("\n".join(map(str, self.each)))


class Gathered:
    """Collects mistakes, so that a person is told all of them at once.

    ``with gathered:`` keeps a ConfigError that the block raises; the error ends the block alone.
    """

    def __init__(self, found: Sequence[ConfigError] = ()) -> None:
        self.found: list[ConfigError] = list(found)

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, MistakesError):
            self.found.extend(error.each)
        elif isinstance(error, ConfigError) and not isinstance(error, ConsequenceError):
            self.found.append(error)
        return isinstance(error, ConfigError)

    def check(self) -> None:
        """Raise what was found, all of it; nothing when all is well."""
        if len(self.found) == 1:
            raise self.found[0]
        if self.found:
            raise MistakesError(self.found)


class InputError(CityloopError):
    """Something that arrived cannot be read; it is kept and counted, the rest goes on."""


class CorruptError(CityloopError):
    """Stored data fails its own check; restore or rebuild, do not go on."""


class BusyError(CityloopError):
    """A bounded queue is full or a peer is away; try again later."""


class RefusedError(CityloopError):
    """A person or client asked for what is not permitted here and now.

    ``why``: the reasons with their codes and numbers, for whoever tells it in another language;
    none where there is only the sentence.
    """

    def __init__(self, said: str | Reason, why: Sequence[Reason] = ()) -> None:
        self.why = (said,) if isinstance(said, Reason) else tuple(why)
        super().__init__(said.sentence if isinstance(said, Reason) else said)


class MissingError(CityloopError):
    """Something that was asked for by name does not exist, or no longer."""
