"""What is remembered of whoever is signed in: list, search, add, correct, undo, share, forget, export."""

from __future__ import annotations

from typing import Annotated

import msgspec
from aiohttp import web

from edge_assistant.errors import EdgeError, UsageError
from edge_assistant.frontends.web.access import allow
from edge_assistant.frontends.web.auth import principal_of
from edge_assistant.frontends.web.responses import json_response, read_json
from edge_assistant.memory.conversations import Conversations
from edge_assistant.memory.export import as_markdown
from edge_assistant.memory.fact import Provenance
from edge_assistant.memory.facts import Facts
from edge_assistant.store.audit import AuditLog

MOST_QUERY_CHARACTERS = 500

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]


class NewFact(msgspec.Struct, frozen=True):
    """The body of `POST /api/memory`."""

    text: Text
    shared: bool = False


class FactChange(msgspec.Struct, frozen=True):
    """The body of `PATCH /api/memory/{id}`."""

    text: Text | None = None
    shared: bool | None = None


class Correction(msgspec.Struct, frozen=True):
    """The body of `POST /api/memory/corrections`: the right answer to a turn that was answered wrongly."""

    turn: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    text: Text


class MemoryPages:
    """Serves the memory of the signed-in person; other people's private one doesn't exist here."""

    def __init__(self, facts: Facts, conversations: Conversations, audit: AuditLog) -> None:
        self._facts = facts
        self._conversations = conversations
        self._audit = audit

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of the memory."""
        return [
            web.get("/api/memory", self.list),
            web.post("/api/memory", self.add),
            web.get("/api/memory/export", self.export, allow_head=False),
            web.post("/api/memory/corrections", self.answer),
            web.patch("/api/memory/{id}", self.change),
            web.delete("/api/memory/{id}", self.forget),
            web.post("/api/memory/{id}/undo", self.undo),
        ]

    @allow("guest", "memory")
    async def list(self, request: web.Request) -> web.Response:
        """Return what is remembered, the last said first; with `q` what fits it, the best first.

        `replaced=1` adds what no longer holds.
        """
        who, query = principal_of(request).id, request.query.get("q", "")
        if len(query) > MOST_QUERY_CHARACTERS:
            raise UsageError("WEB_BAD_FIELD", f"q has at most {MOST_QUERY_CHARACTERS} characters")
        if query.strip():
            await self._audit.record("memory.searched", who, {})
            return json_response({"facts": [each.fact for each in await self._facts.search(who, query)]})
        await self._audit.record("memory.listed", who, {})
        replaced = request.query.get("replaced") == "1"
        return json_response({"facts": await self._facts.known(who, replaced=replaced)})

    @allow("guest", "memory")
    async def add(self, request: web.Request) -> web.Response:
        """Remember something."""
        body, person = await read_json(request, NewFact), principal_of(request)
        shared = body.shared and person.role != "guest"
        facts = await self._facts.add(person.id, body.text, shared=shared)
        await self._audit.record("memory.added", person.id, {"facts": len(facts), "shared": shared})
        return json_response({"facts": facts}, status=201)

    @allow("guest", "memory")
    async def answer(self, request: web.Request) -> web.Response:
        """Remember the right answer to a turn that was answered wrongly."""
        body, who = await read_json(request, Correction), principal_of(request).id
        turn = await self._conversations.turn(body.turn, who)
        if turn is None:
            raise EdgeError("TURN_NOT_FOUND", "there is no such turn")
        provenance = Provenance(session=turn.session, turn=turn.turn_id, source="web")
        facts = await self._facts.answer(who, turn.user_text, body.text, provenance)
        await self._audit.record("memory.corrected", who, {"facts": len(facts)})
        return json_response({"facts": facts}, status=201)

    @allow("guest", "memory")
    async def change(self, request: web.Request) -> web.Response:
        """Let a memory say something else, or let the household know it, or nobody else any more."""
        body, who, fact_id = await read_json(request, FactChange), principal_of(request).id, _id(request)
        if body.text is None and body.shared is None:
            raise UsageError("WEB_BAD_FIELD", "`text` or `shared` is needed")
        fact = await self._facts.correct(who, fact_id, body.text) if body.text is not None else None
        if body.shared is not None:
            fact = await self._facts.share(who, fact.id if fact else fact_id, shared=body.shared)
        details = {"text": body.text is not None, "shared": body.shared}
        await self._audit.record("memory.changed", who, details)
        return json_response(fact)

    @allow("guest", "memory")
    async def undo(self, request: web.Request) -> web.Response:
        """Take a memory back; what it took the place of holds again."""
        who = principal_of(request).id
        facts = await self._facts.undo(who, _id(request))
        await self._audit.record("memory.undone", who, {"facts": len(facts)})
        return json_response({"facts": facts})

    @allow("guest", "memory")
    async def forget(self, request: web.Request) -> web.Response:
        """Erase a memory with all that it took the place of."""
        who = principal_of(request).id
        gone = await self._facts.forget(who, [_id(request)])
        await self._audit.record("memory.forgotten", who, {"facts": gone})
        return web.Response(status=204)

    @allow("guest", "memory")
    async def export(self, request: web.Request) -> web.Response:
        """Send everything that the person said, as `format` `json` or `markdown`."""
        kind = request.query.get("format", "json")
        if kind not in {"markdown", "json"}:
            raise UsageError("WEB_BAD_FIELD", "format is markdown or json")
        who = principal_of(request).id
        facts = await self._facts.of(who)
        await self._audit.record("memory.exported", who, {"facts": len(facts), "format": kind})
        if kind == "json":
            response = json_response({"facts": facts})
        else:
            response = web.Response(
                text=as_markdown(msgspec.to_builtins(facts)), content_type="text/markdown"
            )
        ending = "json" if kind == "json" else "md"
        response.headers["Content-Disposition"] = f'attachment; filename="memory.{ending}"'
        return response


def _id(request: web.Request) -> str:
    return str(request.match_info["id"])
