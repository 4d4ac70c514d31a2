"""Feeds that are polled over HTTP: one adapter, many formats.

Open-Meteo, GBFS 2 and 3, GTFS, GTFS-Realtime, Open311, OpenAQ, SensorThings, CSV, GeoJSON. What a
feed says again is not delivered again; a feed that fails is asked again with growing pauses.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from random import Random, SystemRandom
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from cityloop.kernel.clock import CityTime, Clock
from cityloop.kernel.errors import BusyError, InputError
from cityloop.perception.backoff import Backoff
from cityloop.perception.source import Intake, Mistake, Secret, Setup, SourceSettings
from cityloop.perception.sources.fetch import MEGABYTE, Fetched, Fetcher, FetchError, Limits
from cityloop.perception.sources.novelty import Novelty
from cityloop.perception.sources.table_settings import TableSettings
from cityloop.standards.feeds.gbfs import read_gbfs
from cityloop.standards.feeds.geojson import read_geojson
from cityloop.standards.feeds.gtfs import read_gtfs
from cityloop.standards.feeds.gtfs_realtime import read_gtfs_realtime
from cityloop.standards.feeds.open311 import read_open311
from cityloop.standards.feeds.open_meteo import read_open_meteo
from cityloop.standards.feeds.openaq import read_openaq
from cityloop.standards.feeds.sensorthings import next_page, read_sensorthings
from cityloop.standards.feeds.tables import read_csv
from cityloop.standards.readings import Decoded, Fault

Decode = Callable[[bytes, CityTime], Decoded]
Wait = Callable[[float], Awaitable[None]]
Format = Literal[
    "open-meteo",
    "gbfs",
    "gtfs",
    "gtfs-realtime",
    "open311",
    "openaq",
    "sensorthings",
    "csv",
    "geojson",
]
_MOST_PAUSE_S = 3600.0
_JITTER = 0.1
_BUSY_S = 1.0


class PollSettings(SourceSettings, frozen=True, kw_only=True, tag="poll"):
    """``[sources.NAME] kind = "poll"``.

    ``stations``: for open-meteo the ids of the places in the order of the address, for openaq the
    id of the one station. ``properties``: for sensorthings, ObservedProperty → "Type.attribute".
    ``table``: for csv and geojson. ``header``: name of a request header that carries ``secret``.
    """

    trial_may_acknowledge: ClassVar[bool] = True

    url: Annotated[str, Meta(pattern=r"^https?://[^/@]+(/.*)?$")]
    format: Format
    every_s: Annotated[float, Meta(ge=1)] = 60.0
    timeout_s: Annotated[float, Meta(gt=0, le=600)] = 20.0
    most_mb: Annotated[float, Meta(gt=0, le=1000)] = 50.0
    most_pages: Annotated[int, Meta(ge=1, le=1000)] = 20
    stations: list[str] = msgspec.field(default_factory=list)
    properties: dict[str, str] = msgspec.field(default_factory=dict)
    table: TableSettings | None = None
    header: str = ""
    secret: Secret | None = None
    late_s: Annotated[float, Meta(ge=0)] = 172_800.0
    ahead_s: Annotated[float, Meta(ge=0)] = 300.0

    def mistakes(self) -> Iterable[Mistake]:
        """What one key alone does not tell."""
        if (self.secret is None) != (not self.header):
            yield ("header",), "header and secret belong together", "give both or none"
        if self.secret is not None:
            yield from self.secret.mistakes("secret")
        if self.format in ("csv", "geojson") and self.table is None:
            yield ("format",), f"{self.format} says not what its columns mean", "add the key table"
        if self.format == "sensorthings" and not self.properties:
            yield ("format",), "it says not which property is what", "add the key properties"
        if self.table is not None:
            yield from self.table.mistakes("table")

    def source(self, setup: Setup) -> "Poll":
        """The adapter; raises ConfigError for a secret that is not there."""
        headers = {}
        if self.secret is not None:
            headers[self.header] = self.secret.read(setup.folder)
        limits = Limits(self.timeout_s, round(self.most_mb * MEGABYTE))
        fetcher = Fetcher(self.url, limits, setup.clock, headers)
        return Poll(self, fetcher, setup.clock)


def decoder(settings: PollSettings) -> Decode:
    """The pure function that reads the feed's format."""
    table_map = (settings.table or TableSettings(type="")).map
    readers: dict[str, Decode] = {
        "open-meteo": lambda body, now: read_open_meteo(body, now, stations=settings.stations),
        "gbfs": lambda body, _now: read_gbfs(body),
        "gtfs": lambda body, now: read_gtfs(body, now, unpacked_mb=round(settings.most_mb * 10)),
        "gtfs-realtime": lambda body, _now: read_gtfs_realtime(body),
        "open311": lambda body, _now: read_open311(body),
        "openaq": lambda body, _now: read_openaq(body, station="".join(settings.stations[:1])),
        "sensorthings": lambda body, _now: read_sensorthings(body, properties=settings.properties),
        "csv": lambda body, _now: read_csv(body, table_map),
        "geojson": lambda body, _now: read_geojson(body, table_map),
    }
    return readers[settings.format]


class Poll:
    """Polls one feed. ``wait`` is asyncio's sleep, ``random`` gives the jitter."""

    def __init__(
        self,
        settings: PollSettings,
        fetcher: Fetcher,
        clock: Clock,
        *,
        random: Random | None = None,
        wait: Wait = asyncio.sleep,
    ) -> None:
        self._settings = settings
        self._fetcher = fetcher
        self._decode = decoder(settings)
        self._clock = clock
        self._random = random or SystemRandom()
        self._wait = wait
        self._backoff = Backoff(
            settings.every_s, max(settings.every_s, _MOST_PAUSE_S), self._random
        )
        self._novelty = Novelty()
        self._validators: Mapping[str, str] = {}

    async def run(self, intake: Intake) -> None:
        """Poll until cancelled."""
        try:
            while True:
                await self._wait(await self.poll(intake))
        finally:
            await self._fetcher.close()

    async def poll(self, intake: Intake) -> float:
        """Ask once and deliver what is new; how many seconds to wait before the next time."""
        try:
            fetched = await self._fetcher.fetch(validators=self._validators)
            if fetched is not None:
                await self._take(fetched, intake)
        except FetchError as error:
            if error.arrived:
                await _deliver(intake, _unreadable(str(error)))
            intake.tell("failing", str(error))
            return self._backoff.next_s(error.retry_after_s)
        except InputError as error:
            await _deliver(intake, _unreadable(str(error)))
            intake.tell("failing", f"what it sends cannot be read: {error}")
            return self._backoff.next_s()
        self._backoff.reset()
        intake.tell("ok")
        return self._settings.every_s * self._random.uniform(1 - _JITTER, 1 + _JITTER)

    async def _take(self, fetched: Fetched, intake: Intake) -> None:
        """Deliver a body and the pages after it; remembered as seen only when all is committed."""
        page, pages = fetched, 1
        self._novelty.begin()
        while True:
            # In a thread: a large feed must not hold up the other sources of this process.
            decoded, link = await asyncio.to_thread(self._read, page.body)
            await _deliver(intake, decoded)
            if not link:
                break
            if pages == self._settings.most_pages:
                raise InputError(f"there are more than {pages} pages; ask for less")
            following = await self._fetcher.fetch(link)
            if following is None:
                break
            page, pages = following, pages + 1
        self._novelty.end()
        self._validators = fetched.validators if pages == 1 else {}

    def _read(self, body: bytes) -> tuple[Decoded, str]:
        """What is new on a page, and the address of the page after it."""
        decoded = self._novelty.fresh(self._decode(body, CityTime(self._clock())))
        link = next_page(body) if self._settings.format == "sensorthings" else ""
        return decoded, link


async def _deliver(intake: Intake, decoded: Decoded) -> None:
    """Deliver, and again while the intake is full: a feed can be held back."""
    while decoded.readings or decoded.faults:
        try:
            await intake.deliver(decoded)
        except BusyError:
            intake.tell("waiting", "the city takes no more just now")
            await asyncio.sleep(_BUSY_S)
        else:
            return


def _unreadable(reason: str) -> Decoded:
    return Decoded((), (Fault("", reason),), 1)
