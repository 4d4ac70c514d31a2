"""The hub's lines to its readers; none of them can slow it."""

import threading
from collections import deque

import structlog

from cityloop.city.wire import Line, Message, Told

_log = structlog.get_logger()
MOST_WAITING = 4096


class Reading:
    """A reader's line with a thread of its own: newest state wins, decisions queue up to a bound.

    A slow reader is given up (no longer ``open``), never waited for; it calls again and is told
    everything anew.
    """

    def __init__(self, line: Line) -> None:
        self.line = line
        self._wake = threading.Condition()
        self._state: Told | None = None
        self._rest: deque[Message] = deque()
        self.open = True
        self._thread = threading.Thread(target=self._send, name="reading", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many messages it has not taken yet."""
        return len(self._rest)

    def show(self, state: Told) -> None:
        """Replace the state that waits to be sent."""
        with self._wake:
            self._state = state
            self._wake.notify()

    def tell(self, message: Message) -> None:
        """Queue a message; a reader with too many is dropped."""
        with self._wake:
            self._rest.append(message)
            self.open = self.open and len(self._rest) <= MOST_WAITING
            self._wake.notify()

    def close(self) -> None:
        """End the thread, whatever it waits for, and the line."""
        with self._wake:
            self.open = False
            self._wake.notify()
        self.line.hang_up()
        self._thread.join()
        self.line.close()

    def _send(self) -> None:
        try:
            while messages := self._next():
                for message in messages:
                    self.line.send(message)
        except OSError:
            _log.info("a reader went away")
        self.open = False

    def _next(self) -> list[Message]:
        with self._wake:
            while self.open and not self._rest and self._state is None:
                self._wake.wait()
            if not self.open:
                return []
            messages = list(self._rest)
            self._rest.clear()
            if self._state is not None:
                messages.append(self._state)
                self._state = None
            return messages
