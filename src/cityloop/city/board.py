"""What the hub tells of how the city is run, and the commands that change it, for the web."""

from collections.abc import Awaitable, Callable

import msgspec

from cityloop.city.surface import LoopRow

Ask = Callable[..., Awaitable[None]]
LOOPS = "loops"


class Board:
    """The newest of each topic, as the hub told it; ``ask`` carries a command to the hub.

    Every command raises RefusedError with what is wrong, and BusyError while the hub is away.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._loops: list[LoopRow] = []

    def hear(self, topic: str, body: bytes) -> bool:
        """Take in what the hub tells; whether the topic is one of ours."""
        match topic:
            case "loops":
                self._loops = msgspec.json.decode(body, type=list[LoopRow])
            case _:
                return False
        return True

    def loops(self) -> list[LoopRow]:
        """The loops at work; empty before the hub has told of them."""
        return self._loops

    async def set_version(self, loop: str, version: str, reason: str, by: str) -> None:
        """Put another installed version of a loop to work."""
        await self._ask("set_version", loop=loop, version=version, reason=reason, by=by)
