"""Whether the city lives and works, for people, monitors and process managers."""

import msgspec

from cityloop.city.readiness import SUPERVISOR
from cityloop.city.surface import HealthPart
from cityloop.web.port import CityReadings
from cityloop.web.route import Answer, get


class HealthAnswer(msgspec.Struct, frozen=True):
    """``ok`` is what the status code says: 200 or 503."""

    ok: bool
    parts: list[HealthPart]


class HealthRoutes:
    """/health: each part of the city, one by one."""

    def __init__(self, city: CityReadings) -> None:
        self._city = city

    @get("/health/live", "200 while web and supervisor turn, else 503", also={503: HealthAnswer})
    async def live(self) -> Answer[HealthAnswer]:
        """The answer itself says that the web's process and its event loop turn; whatever ended
        beside the supervisor is started again by it."""
        parts = self._city.health().parts
        return _health(parts, all(part.live for part in parts if part.name == SUPERVISOR))

    @get("/health/ready", "200 while every part does its work, else 503", also={503: HealthAnswer})
    async def ready(self) -> Answer[HealthAnswer]:
        """A part is ready when it is live and does its work."""
        parts = self._city.health().parts
        return _health(parts, all(part.live and part.ready for part in parts))


def _health(parts: list[HealthPart], ok: bool) -> Answer[HealthAnswer]:
    return Answer(HealthAnswer(ok, parts), 200 if ok else 503)
