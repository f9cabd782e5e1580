"""Forgetting with a receipt, checking one, and the audit log for the owner."""

from __future__ import annotations

import msgspec
from aiohttp import web

from edge_assistant.assistant.forgetting import Receipt
from edge_assistant.errors import UsageError
from edge_assistant.frontends.forgetting import ForgetWish, subject_of
from edge_assistant.frontends.web.access import allow
from edge_assistant.frontends.web.auth import principal_of
from edge_assistant.frontends.web.ports import Forgetter
from edge_assistant.frontends.web.responses import json_response, read_json
from edge_assistant.memory.conversations import Conversations
from edge_assistant.store.audit import AuditLog

PAGE = 200


class Privacy:
    """Serves what a person may have forgotten, and what the owner may look into."""

    def __init__(self, forgetter: Forgetter, conversations: Conversations, audit: AuditLog) -> None:
        self._forgetter = forgetter
        self._conversations = conversations
        self._audit = audit

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of forgetting and of the log."""
        return [
            web.post("/api/forget", self.forget),
            web.post("/api/forget/check", self.check),
            web.get("/api/audit", self.log),
        ]

    @allow("guest", "memory")
    async def forget(self, request: web.Request) -> web.Response:
        """Forget a person, session, document or topic and return the receipt; `preview` only counts."""
        wish, who = await read_json(request, ForgetWish), principal_of(request)
        subject = await subject_of(wish, who, self._conversations)
        if wish.preview:
            return json_response({"preview": await self._forgetter.preview(subject)})
        return json_response(await self._forgetter.forget(subject, who.id))

    @allow("guest", "memory")
    async def check(self, request: web.Request) -> web.Response:
        """Return whether this device made a receipt and its log is whole."""
        receipt = await read_json(request, Receipt)
        return json_response({"genuine": await self._forgetter.genuine(receipt)})

    @allow("owner", "manage")
    async def log(self, request: web.Request) -> web.Response:
        """Return entries of the audit log, the newest first, and the first that is not as it was."""
        before = request.query.get("before", "")
        if before and not (before.isascii() and before.isdigit() and len(before) <= 15):  # noqa: PLR2004
            raise UsageError("WEB_BAD_FIELD", "before is the number of an entry")
        entries = await self._audit.entries(PAGE, int(before) if before else None)
        broken = await self._audit.first_broken()
        return json_response({"entries": msgspec.to_builtins(entries), "broken": broken})
