"""One reader of the bus on JetStream: letters in order, each once, and the gaps between them."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from cityloop.interconnection.bus.server import nats_errors
from cityloop.kernel.ports import Gap, Letter, Mark, Position
from cityloop.standards.letters import read_headers

if TYPE_CHECKING:
    from nats.aio.msg import Msg


class Thread:
    """What a reader has had, by subject, to tell what came before and what is missing.

    ``base``: up to there it had everything before it began.
    """

    def __init__(self, base: Position, mark: Mark | None = None) -> None:
        self._base = base
        self._had: dict[str, Position] = {}
        self.mark = mark or (Position(0), 0)

    def take(self, letter: Letter) -> Iterator[Letter | Gap]:
        """The letter, after the gap before it; nothing where it came before."""
        if letter.mark <= self.mark:
            return
        had = self._had.get(letter.subject, self._base)
        if letter.after > had:
            yield Gap(letter.subject, had, letter.after)
        self._had[letter.subject] = letter.position
        self.mark = letter.mark
        yield letter


class JetStreamReader:
    """``kernel.ports.Subscription`` over a pull consumer.

    ``mark``: the newest letter that it has given; so a reader that keeps it with its own work can
    go on from there in a new subscription.
    """

    def __init__(self, pull: Any, url: str, base: Position, after: Mark | None) -> None:
        self._pull = pull
        self._url = url
        self._thread = Thread(base, after)
        self._newest: Msg | None = None
        self._deliveries = 0

    @property
    def mark(self) -> Mark:
        """The newest letter that it has given; (0, 0) before."""
        return self._thread.mark

    async def next(self, most: int, patience_s: float) -> Sequence[Letter | Gap]:
        """As ``Subscription``."""
        import nats.errors

        async with nats_errors(self._url):
            try:
                messages = await self._pull.fetch(most, timeout=patience_s)
            except nats.errors.TimeoutError:
                return ()
        for message in messages:
            self._count(message)
        found: list[Letter | Gap] = []
        for message in messages:
            letter = read_headers(message.subject, message.headers or {}, message.data)
            found += self._thread.take(letter)
            self._newest = message
        return found

    def _count(self, message: "Msg") -> None:
        """Raises ConnectionError where a delivery went elsewhere: to a line of ours that has broken
        and whose last request the server read late, or to another reader of this name.
        """
        self._deliveries += 1
        if message.metadata.sequence.consumer != self._deliveries:
            self._newest = None
            raise ConnectionError(f"{self._url}: a delivery went elsewhere; subscribe again")

    async def done(self) -> None:
        """As ``Subscription``."""
        newest, self._newest = self._newest, None
        if newest is not None:
            async with nats_errors(self._url):
                await newest.ack_sync()

    async def close(self) -> None:
        """As ``Subscription``."""
        async with nats_errors(self._url):
            await self._pull.unsubscribe()
