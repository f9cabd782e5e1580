"""What only the owner of the device may do on the page: settings, models, the recovery code."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import msgspec
from aiohttp import web

from edge_assistant.assistant.personas import personas
from edge_assistant.catalog.catalog import find_model, is_path, load_catalog
from edge_assistant.catalog.pulls import Pulls
from edge_assistant.errors import ModelError, UsageError
from edge_assistant.frontends.web.access import allow
from edge_assistant.frontends.web.responses import json_response, read_json
from edge_assistant.ops.hardware import read_hardware
from edge_assistant.ops.notices import Notices
from edge_assistant.ops.preferences import Preferences

Value = Annotated[str, msgspec.Meta(max_length=4096)]


@dataclass(frozen=True)
class Tools:
    """What the desk works with."""

    preferences: Preferences
    pulls: Pulls
    models: Path
    """Folder of pulled models."""
    new_recovery_code: Callable[[], Awaitable[str]]
    notices: Notices = field(default_factory=Notices)
    """What the owner should know."""


class Change(msgspec.Struct, frozen=True):
    """The body of `PATCH /api/settings`."""

    values: Annotated[dict[str, Value], msgspec.Meta(max_length=16)] = {}
    """Such as `{"assistant.name": "Ada"}`."""
    set_up: bool | None = None
    """Whether the wizard is finished or was put away."""


class PersonaView(msgspec.Struct, frozen=True):
    """A persona as a list shows it."""

    id: str
    name: str
    tone: str


class Desk:
    """Serves the settings."""

    def __init__(self, tools: Tools) -> None:
        self._preferences = tools.preferences
        self._models = tools.models
        self._new_recovery_code = tools.new_recovery_code

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of settings."""
        return [
            web.get("/api/settings", self.read),
            web.patch("/api/settings", self.change),
            web.post("/api/recovery-code", self.recovery_code),
        ]

    @allow("owner", "manage")
    async def read(self, request: web.Request) -> web.Response:
        """Return what is set, what can't be changed here, and what there is to choose from."""
        del request
        return json_response(self._view())

    @allow("owner", "manage")
    async def change(self, request: web.Request) -> web.Response:
        """Save other values and carry them out; a running answer goes on as it began."""
        body = await read_json(request, Change)
        if "llm.model" in body.values:
            self._check_model(body.values["llm.model"])
        await self._preferences.change(body.values, set_up=body.set_up)
        return json_response(self._view())

    @allow("owner", "manage")
    async def recovery_code(self, request: web.Request) -> web.Response:
        """Make a new recovery code and show it, only now; the one before opens older backups only."""
        del request
        return json_response({"code": await self._new_recovery_code()}, status=201)

    def _view(self) -> dict[str, object]:
        preferences = self._preferences
        return {
            "values": preferences.values,
            "locked": sorted(preferences.locked & preferences.values.keys()),
            "set_up": preferences.set_up,
            "personas": [
                PersonaView(persona_id, persona.name, persona.tone)
                for persona_id, persona in personas(preferences.config).items()
            ],
        }

    def _check_model(self, model_id: str) -> None:
        """Refuse a model that this device doesn't have or can't hold."""
        if model_id == self._preferences.values["llm.model"]:
            return
        if is_path(model_id):
            raise UsageError("MODEL_UNKNOWN", "choose a model of the catalogue; a file is named in llm.model")
        find_model(model_id, self._models)
        model = load_catalog().model(model_id)
        if model.role != "llm":
            raise UsageError("MODEL_UNKNOWN", f"{model.id} is no language model")
        memory_mb = read_hardware(self._models).memory_bytes // 2**20
        if model.ram_mb > memory_mb:
            raise ModelError(
                "MODEL_TOO_LARGE",
                f"{model.id} needs {model.ram_mb} MB of memory, this device has {memory_mb}",
            )
