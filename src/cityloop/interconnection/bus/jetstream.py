"""The bus on NATS JetStream: one stream for each tenant.

The stream always holds a run of the log's letters without a hole, whatever breaks: each letter
names the sequence that it expects to follow, so after one that was refused all others are, too, and
so are those of another writer that wakes up late. Where it stands is read from its newest message.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from cityloop.interconnection.bus.reader import JetStreamReader
from cityloop.interconnection.bus.server import FULL, check, connect, nats_errors
from cityloop.kernel.errors import BusyError, ConfigError, InputError
from cityloop.kernel.ports import Letter, Mark, Position
from cityloop.standards.letters import read_headers, write_headers

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

_ANSWER_S = 10.0
_CUT = b'{"error": {"description": "the server closed the connection"}}'
_Acks: TypeAlias = dict[str, asyncio.Future[bytes]]
_PENDING = 64
"""Letters that a reader may have and not be done with: its memory is bounded by them."""


@dataclass(frozen=True, slots=True)
class StreamRule:
    """What a tenant's stream keeps: so many bytes, so long.

    ``discard``: "old" lets the oldest letters go where there is no room, "new" lets the publisher
    wait. Either way the log has them.
    """

    tenant: str
    most_bytes: int = 1 << 30
    keep_s: float = 86_400.0
    discard: Literal["old", "new"] = "old"
    replicas: int = 1

    @property
    def name(self) -> str:
        """What the stream is called."""
        return f"cityloop-{self.tenant}"

    @property
    def subjects(self) -> str:
        """All that it holds."""
        return f"cityloop.{self.tenant}.>"


class JetStreamBus:
    """``kernel.ports.Bus`` over one connection: when that breaks, everything raises OSError."""

    def __init__(self, client: "Client", url: str, rule: StreamRule, acks: _Acks) -> None:
        self._client = client
        self._url = url
        self._rule = rule
        self._js = client.jetstream(timeout=_ANSWER_S)
        self._before: dict[str, Position] = {}
        self._next: int | None = None
        self._acks = acks
        self._inbox = client.new_inbox()
        self._numbers = count()

    @classmethod
    async def open(cls, url: str, login: dict[str, Any], rule: StreamRule) -> "JetStreamBus":
        """Connect, check the server, and see that the stream is there and as it should be.

        Raises OSError where nobody answers, ConfigError where the server is not fit to be a bus.
        """
        acks: _Acks = {}

        async def cut() -> None:
            for answer in acks.values():
                if not answer.done():
                    answer.set_result(_CUT)

        client = await connect(url, login, f"cityloop {rule.tenant}", cut)
        try:
            async with nats_errors(url):
                await check(client, url)
                bus = cls(client, url, rule, acks)
                await bus._open_stream()
                await client.subscribe(f"{bus._inbox}.*", cb=bus._acknowledged)
        except BaseException:
            await client.close()
            raise
        return bus

    @property
    def most_bytes(self) -> int:
        """The largest message that the server takes."""
        return int(self._client.max_payload)

    async def close(self) -> None:
        """Hang up."""
        await self._client.close()

    async def _open_stream(self) -> None:
        from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
        from nats.js.errors import NotFoundError

        rule = self._rule
        wanted: dict[str, Any] = {
            "subjects": [rule.subjects],
            "retention": RetentionPolicy.LIMITS,
            "discard": DiscardPolicy(rule.discard),
            "max_bytes": rule.most_bytes,
            "max_age": rule.keep_s,
            "num_replicas": rule.replicas,
        }
        try:
            found = (await self._js.stream_info(rule.name)).config
        except NotFoundError:
            fresh = StreamConfig(
                name=rule.name, storage=StorageType.FILE, allow_direct=True, **wanted
            )
            await self._js.add_stream(fresh)
            return
        if found.storage != StorageType.FILE or found.no_ack or found.persist_mode == "async":
            raise ConfigError(
                f"{self._url}: stream {rule.name} is not kept on disk before it is acknowledged; "
                "delete it, and the city makes it anew"
            )
        if any(getattr(found, name) != value for name, value in wanted.items()):
            await self._js.update_stream(found.evolve(**wanted))

    # writing

    async def send(self, letters: Sequence[Letter]) -> None:
        """Hand over letters in order (``Bus``)."""
        async with nats_errors(self._url):
            if self._next is None:
                self._next = (await self._js.stream_info(self._rule.name)).state.last_seq
            waiting = [await self._post(letter) for letter in letters]
            for letter, answer in zip(letters, waiting, strict=True):
                async with asyncio.timeout(_ANSWER_S):
                    self._check(letter, await answer)

    async def _post(self, letter: Letter) -> asyncio.Future[bytes]:
        subject = letter.subject
        if subject not in self._before:
            self._before[subject] = await self._newest_on(subject)
        headers = write_headers(replace(letter, after=self._before[subject]), self._rule.tenant)
        headers["Nats-Msg-Id"] = f"{letter.position}/{letter.part}"
        headers["Nats-Expected-Last-Sequence"] = str(self._next)
        self._next = (self._next or 0) + 1
        self._before[subject] = letter.position
        reply = f"{self._inbox}.{next(self._numbers)}"
        answer = self._acks[reply] = asyncio.get_running_loop().create_future()
        await self._client.publish(subject, letter.body, reply=reply, headers=headers)
        return answer

    async def _acknowledged(self, message: "Msg") -> None:
        answer = self._acks.pop(message.subject, None)
        if answer is not None and not answer.done():
            answer.set_result(message.data)

    def _check(self, letter: Letter, answer: bytes) -> None:
        told = json.loads(answer or b'{"error": {"description": "no stream answers"}}')
        if "error" in told:
            why = f"{self._url}: position {letter.position}: {told['error'].get('description')}"
            full = told["error"].get("err_code") in FULL
            raise BusyError(why) if full else ConnectionError(why)

    async def _newest_on(self, subject: str) -> Position:
        """The newest position on a subject. Where the stream has let go of it: the last one before
        the stream's oldest letter, for there may have been one up to there.
        """
        from nats.js.errors import NotFoundError

        try:
            message = await self._js.get_last_msg(self._rule.name, subject)
        except NotFoundError:
            state = (await self._js.stream_info(self._rule.name)).state
            if state.first_seq <= 1 or not state.messages:
                return Position(0)
            return Position((await self._letter_at(state.first_seq)).position - 1)
        return read_headers(subject, message.headers or {}, b"").position

    async def last(self) -> Letter | None:
        """The newest letter (``Bus``)."""
        async with nats_errors(self._url):
            state = (await self._js.stream_info(self._rule.name)).state
            self._next = state.last_seq
            return await self._letter_at(state.last_seq) if state.messages else None

    async def _letter_at(self, sequence: int) -> Letter:
        message = await self._js.get_msg(self._rule.name, sequence)
        try:
            return read_headers(message.subject or "", message.headers or {}, message.data or b"")
        except InputError as error:
            raise ConfigError(
                f"{self._url}: somebody else writes to stream {self._rule.name} ({error}); let "
                f"nobody but the city publish to {self._rule.subjects}, and delete the stream"
            ) from None

    # reading

    async def subscribe(
        self, subjects: Sequence[str], *, name: str = "", after: Mark | None = None
    ) -> JetStreamReader:
        """A reader's letters (``Bus``)."""
        from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
        from nats.js.errors import NotFoundError

        async with nats_errors(self._url):
            stream = self._rule.name
            known = None
            if name:
                try:
                    known = await self._js.consumer_info(stream, name)
                except NotFoundError:
                    known = None
            base = after[0] if after else Position(0)
            config = ConsumerConfig(
                filter_subjects=list(subjects), ack_policy=AckPolicy.ALL, max_ack_pending=_PENDING
            )
            if known is not None:
                done = await self._done_by(known.ack_floor.stream_seq if known.ack_floor else 0)
                # It may have had more than it could say before its line broke: that is given again,
                # before anything newer.
                base = max(base, done)
                await self._js.reset_consumer(stream, name)
            elif after is not None:
                first = await self._first_beyond(after)
                config.deliver_policy = DeliverPolicy.BY_START_SEQUENCE
                config.opt_start_seq = first
            pull = await self._js.pull_subscribe(
                "", durable=name or None, stream=stream, config=config
            )
            return JetStreamReader(pull, self._url, base, after)

    async def _done_by(self, sequence: int) -> Position:
        """The position of a letter that a durable reader was done with; 0 where it is gone."""
        from nats.js.errors import NotFoundError

        try:
            return (await self._letter_at(sequence)).position if sequence else Position(0)
        except NotFoundError:
            return Position(0)

    async def _first_beyond(self, mark: Mark) -> int:
        """The sequence of the first letter after a mark, by halving: they are in order."""
        state = (await self._js.stream_info(self._rule.name)).state
        low, high = state.first_seq, state.last_seq + 1
        while low < high:
            middle = (low + high) // 2
            if (await self._letter_at(middle)).mark <= mark:
                low = middle + 1
            else:
                high = middle
        return max(1, low)
