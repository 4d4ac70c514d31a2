"""The window of an MQTT broker: how many messages it keeps in flight bounds what comes a second."""

import asyncio
from collections.abc import Callable

from cityloop.standards import mqtt

WANTED = 5_000
"""Messages in flight that a broker should allow: at a commit of 50 ms they make 100,000 a second,
where mosquitto's default of 20 makes some hundreds."""
STEP = 500
"""Messages that a probe publishes at once, where the broker takes so many."""
_PATIENCE_S = 1.0


class Probe:
    """Finds out how many messages the broker keeps in flight: publishes to itself, acknowledges
    nothing, and counts how many come. A step waits until the one before has come, so that the
    broker's own queue never fills; where the broker takes only 20 at once (MQTT 5 lets it say so),
    that takes some seconds, beside all else.
    """

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.step = STEP
        self.running = False
        self.held: list[int] = []
        self._published = 0
        self._changed = asyncio.Event()

    def arrived(self, packet_id: int) -> None:
        """One of our own came back."""
        self.held.append(packet_id)
        self._changed.set()

    def acknowledged(self) -> None:
        """The broker took one of our own."""
        self._published += 1
        self._changed.set()

    async def window(self, send: Callable[[bytes], None], version: mqtt.Version) -> int:
        """How many are in flight at once, up to what is wanted."""
        sent, self.running = 0, True
        while sent < WANTED:
            packets = [
                mqtt.write_publish(version, self.topic, b"", 1 + number)
                for number in range(sent, sent + self.step)
            ]
            sent += len(packets)
            send(b"".join(packets))
            if not await self._come(sent):
                break
        self.running = False
        return len(self.held)

    async def _come(self, sent: int) -> bool:
        """Whether all that were sent have come; gives up when none comes any more."""
        while len(self.held) < sent or self._published < sent:
            self._changed.clear()
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    await self._changed.wait()
            except TimeoutError:
                return False
        return True


def narrow(window: int, version: mqtt.Version) -> str:
    """What a narrow ``window`` means, and what to do."""
    asked = (
        "MQTT 3.1.1 cannot ask for more, the broker alone decides"
        if version == "3.1.1"
        else "it does not grant what was asked for"
    )
    return (
        f"connected; the broker keeps only {window} messages in flight ({asked}): about "
        f"{window * 20} a second at most. Set max_inflight_messages {WANTED} (mosquitto)"
    )
