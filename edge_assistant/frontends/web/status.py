"""How the assistant is, for people and for supervisors."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
from aiohttp import web

from edge_assistant import __version__
from edge_assistant.frontends.web.access import allow, public
from edge_assistant.frontends.web.ports import Voice
from edge_assistant.frontends.web.responses import json_response
from edge_assistant.llm.protocol import ModelPhase, ModelStatus
from edge_assistant.ops.hardware import Vitals, read_vitals
from edge_assistant.ops.notices import Notice, Notices
from edge_assistant.ops.preferences import Preferences

VITALS_SECONDS = 1.5
"""How old a reading of the device may be."""

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"

Scrape = Callable[[], Awaitable[bytes]]
"""Returns the figures for Prometheus."""

HEALTH: dict[ModelPhase, str] = {"ready": "ok", "loading": "starting", "restarting": "starting"}


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `GET /api/status`; `rss_bytes` is the daemon's own resident memory."""

    assistant: str
    version: str
    uptime_seconds: float
    rss_bytes: int
    sockets: int
    model: ModelStatus
    voice: msgspec.Struct | None
    """How ears and mouth of the device are; None when it has none."""
    vitals: Vitals
    language: str
    """Language of answers, as in `assistant.language`."""
    features: tuple[str, ...]
    """Sections of the configuration that are on, such as `voice`."""
    leaves: tuple[str, ...]
    """What may leave the device, as `Config.leaves`; the page promises privacy only when it is empty."""
    set_up: bool
    """Whether the wizard need not be shown."""
    notices: tuple[Notice, ...]
    """What the owner should know about the device."""


class StatusPages:
    """Answers what runs here and how well."""

    def __init__(
        self,
        preferences: Preferences,
        notices: Notices,
        model_status: Callable[[], ModelStatus],
        voice: Voice | None,
        count_sockets: Callable[[], int],
        *,
        scrape: Scrape | None = None,
    ) -> None:
        self._preferences = preferences
        self._notices = notices
        self._model_status = model_status
        self._voice = voice
        self._count_sockets = count_sockets
        self._scrape = scrape
        self._started = time.monotonic()
        self._vitals: tuple[float, Vitals] | None = None
        """The newest reading and when it was taken."""

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of health and status."""
        routes = [
            web.get("/healthz", self.health),
            web.get("/api/status", self.status),
            web.delete("/api/notices/{id}", self.dismiss),
        ]
        return routes if self._scrape is None else [*routes, web.get("/metrics", self.metrics)]

    @public
    async def health(self, request: web.Request) -> web.Response:
        """Say `ok`, `starting` or `degraded` to anybody who asks, and nothing else."""
        del request
        return json_response({"status": HEALTH.get(self._model_status().phase, "degraded")})

    @allow("guest", "status")
    async def status(self, request: web.Request) -> web.Response:
        """Say everything a signed-in person may know."""
        del request
        settings = self._preferences.config.assistant
        return json_response(
            Status(
                assistant=settings.name,
                version=__version__,
                uptime_seconds=round(time.monotonic() - self._started, 1),
                rss_bytes=resident_bytes(),
                sockets=self._count_sockets(),
                model=self._model_status(),
                voice=self._voice.report if self._voice else None,
                vitals=await self._read_vitals(),
                language=settings.language,
                features=self._preferences.config.features,
                leaves=self._preferences.config.leaves,
                set_up=self._preferences.set_up,
                notices=self._notices.shown,
            )
        )

    @allow("owner", "manage")
    async def dismiss(self, request: web.Request) -> web.Response:
        """Take away a notice that its owner has read."""
        self._notices.dismiss(request.match_info["id"])
        return web.Response(status=204)

    @allow("member", "status")
    async def metrics(self, request: web.Request) -> web.Response:
        """Say all figures in Prometheus' text format."""
        del request
        assert self._scrape is not None
        return web.Response(body=await self._scrape(), headers={"Content-Type": PROMETHEUS})

    async def _read_vitals(self) -> Vitals:
        """Return how the device is; many pages may ask, but it is read once a while."""
        now = time.monotonic()
        if self._vitals is None or now - self._vitals[0] > VITALS_SECONDS:
            self._vitals = now, await asyncio.to_thread(read_vitals)
        return self._vitals[1]


def resident_bytes() -> int:
    """Return the memory of this process that is in RAM, from /proc (proc(5)), or 0 where there is none."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
