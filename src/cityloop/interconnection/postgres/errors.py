"""PostgreSQL's errors in ours: who is away, who is in the way, what is broken."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors

from cityloop.kernel.errors import BusyError, CorruptError

_BUSY = (
    errors.LockNotAvailable,
    errors.QueryCanceled,
    errors.DeadlockDetected,
    errors.SerializationFailure,
)
_CORRUPT = (errors.DataCorrupted, errors.IndexCorrupted)
_ABSENT = (errors.UndefinedTable, errors.UndefinedColumn, errors.InvalidSchemaName)


@contextmanager
def postgres_errors(place: str) -> Iterator[None]:
    """Turns them into OSError (away, full, refused), BusyError (another is in the way),
    CorruptError (content) and ValueError (what no column takes)."""
    try:
        yield
    except _BUSY as error:
        raise BusyError(f"{place}: {_said(error)}; try again") from error
    except _CORRUPT as error:
        raise CorruptError(f"{place}: {_said(error)}; restore it from a backup") from error
    except errors.InsufficientPrivilege as error:
        raise PermissionError(f"{place}: {_said(error)}; grant it to the city's role") from error
    except _ABSENT as error:
        raise OSError(f"{place}: {_said(error)}; start its city first") from error
    except psycopg.DataError as error:
        raise ValueError(f"{place}: {_said(error)}") from error
    except psycopg.Error as error:
        raise OSError(f"{place}: {_said(error)}") from error


def _said(error: psycopg.Error) -> str:
    """On one line."""
    return "; ".join(line.strip() for line in str(error).splitlines() if line.strip())
