"""The models of the catalogue: what is here, what fits, and fetching more while people watch."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Literal

import msgspec
from aiohttp import web

from edge_assistant.catalog.catalog import Model, State, load_catalog, model_state
from edge_assistant.catalog.pins import Pins
from edge_assistant.catalog.pulls import Pull, Pulls
from edge_assistant.frontends.web.access import allow
from edge_assistant.frontends.web.desk import Tools
from edge_assistant.frontends.web.responses import json_response
from edge_assistant.ops.hardware import Hardware, read_hardware
from edge_assistant.ops.preferences import Preferences

KEEP_ALIVE_SECONDS = 15.0

Fit = Literal["good", "tight", "too_large"]


class ModelView(msgspec.Struct, frozen=True, kw_only=True):
    """A language model as a list shows it; `size` in bytes, 0 when unknown before a pull."""

    id: str
    description: str
    licence: str
    provenance: str
    size: int
    ram_mb: int
    state: State
    fit: Fit
    profiles: list[str]
    verified: bool
    pull: Pull | None
    """The newest pull since the start of the daemon."""


class Models:
    """Serves the catalogue's language models."""

    def __init__(self, tools: Tools) -> None:
        self._preferences: Preferences = tools.preferences
        self._pulls: Pulls = tools.pulls
        self._models: Path = tools.models

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of models."""
        return [
            web.get("/api/models", self.list),
            web.get("/api/models/events", self.events, allow_head=False),
            web.post("/api/models/{id}/pull", self.pull),
            web.delete("/api/models/{id}/pull", self.stop),
        ]

    @allow("owner", "manage")
    async def list(self, request: web.Request) -> web.Response:
        """Return the language models, the chosen one, and this device's memory and disk."""
        del request
        return json_response(await asyncio.to_thread(self._view))

    @allow("owner", "manage")
    async def pull(self, request: web.Request) -> web.Response:
        """Begin to fetch a model; `events` tells how far it is."""
        return json_response(self._pulls.start(request.match_info["id"]), status=202)

    @allow("owner", "manage")
    async def stop(self, request: web.Request) -> web.Response:
        """Stop fetching; what arrived is kept for the next try."""
        await self._pulls.stop(request.match_info["id"])
        return web.Response(status=204)

    @allow("owner", "manage")
    async def events(self, request: web.Request) -> web.StreamResponse:
        """Stream each pull as it stands and each change, as server-sent events `pull`."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        news = aiter(self._pulls.events())
        waiting: asyncio.Task[Pull] | None = None
        try:
            while True:
                waiting = waiting or asyncio.ensure_future(anext(news))
                done, _ = await asyncio.wait([waiting], timeout=KEEP_ALIVE_SECONDS)
                if done:
                    frame = b"event: pull\ndata: " + msgspec.json.encode(waiting.result()) + b"\n\n"
                    waiting = None
                else:
                    frame = b": waiting\n\n"
                await response.write(frame)
        except ConnectionError:
            return response  # the page went away
        finally:
            if waiting is not None:
                waiting.cancel()

    def _view(self) -> dict[str, object]:
        hardware, catalog = read_hardware(self._models), load_catalog()
        config = self._preferences.config
        pins, pulls = Pins.read(self._models), self._pulls.all
        chosen = next((model for model in catalog.models if model.id == config.llm.model), None)
        freed_mb = chosen.ram_mb if chosen else 0

        def view(model: Model) -> ModelView:
            return ModelView(
                id=model.id,
                description=model.description,
                licence=model.licence,
                provenance=model.provenance,
                size=model.size(pins),
                ram_mb=model.ram_mb,
                state=model_state(model, self._models),
                fit=fit(model, hardware, freed_mb),
                profiles=catalog.profiles_of(model.id),
                verified=model.verified,
                pull=pulls.get(model.id),
            )

        return {
            "engine": config.llm.engine,
            "chosen": config.llm.model if config.llm.engine == "llama" else config.llm.remote_model,
            "memory_mb": hardware.memory_bytes // 2**20,
            "available_mb": hardware.memory_available_bytes // 2**20,
            "disk_free_mb": hardware.disk_free_bytes // 2**20,
            "models": [view(model) for model in catalog.models if model.role == "llm"],
        }


def fit(model: Model, hardware: Hardware, freed_mb: int) -> Fit:
    """Tell whether a model fits into memory once the present one has left `freed_mb`."""
    if model.ram_mb > hardware.memory_bytes * 0.9 / 2**20:
        return "too_large"
    return "good" if model.ram_mb <= hardware.memory_available_bytes / 2**20 + freed_mb else "tight"
