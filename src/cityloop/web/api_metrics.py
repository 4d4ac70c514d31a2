"""How the city's machinery does, for Prometheus."""

import time

from starlette.responses import Response

from cityloop.web.metrics_text import MEDIA, metrics_text
from cityloop.web.port import MetricsPort
from cityloop.web.route import get


class MetricsRoutes:
    """/metrics: every figure at once, in Prometheus' text format."""

    def __init__(self, city: MetricsPort) -> None:
        self._city = city

    @get("/metrics", "Figures of all processes for Prometheus", media=("text/plain",))
    async def metrics(self) -> Response:
        """Reading costs some ms in this process, and nothing in those that act."""
        told = await self._city.metrics.figures(time.monotonic())
        return Response(metrics_text(told), headers={"cache-control": "no-store"}, media_type=MEDIA)
