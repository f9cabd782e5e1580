"""The conversations of whoever is signed in: list, read, name, erase."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from aiohttp import web

from edge_assistant.errors import UsageError
from edge_assistant.frontends.web.access import allow
from edge_assistant.frontends.web.auth import SIGNED_IN, principal_of
from edge_assistant.frontends.web.ports import Assistant
from edge_assistant.frontends.web.responses import json_response, read_json
from edge_assistant.memory.conversation import StoredTurn, TurnStatus, Visibility
from edge_assistant.memory.conversations import Conversations
from edge_assistant.store.audit import AuditLog

PAGE = 50
MAX_PAGE = 200

Title = Annotated[str, msgspec.Meta(max_length=500)]


class NewSession(msgspec.Struct, frozen=True):
    """The body of `POST /api/sessions`."""

    title: Title = ""


class Change(msgspec.Struct, frozen=True):
    """The body of `PATCH /api/sessions/{id}`."""

    title: Title | msgspec.UnsetType = msgspec.UNSET
    visibility: Visibility | msgspec.UnsetType = msgspec.UNSET


class TurnView(msgspec.Struct, frozen=True, kw_only=True):
    """One turn of a transcript. Times are UNIX seconds."""

    id: str
    status: TurnStatus
    user_text: str
    answer_text: str
    model: str
    route: dict[str, Any] | None
    timings: dict[str, Any] | None
    usage: dict[str, Any] | None
    sources: tuple[dict[str, Any], ...]
    error_code: str | None
    created_at: float
    finished_at: float | None


class Sessions:
    """Serves the sessions of the signed-in person; other people's don't exist here."""

    def __init__(self, assistant: Assistant, conversations: Conversations, audit: AuditLog) -> None:
        self._assistant = assistant
        self._conversations = conversations
        self._audit = audit

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of sessions."""
        return [
            web.get("/api/sessions", self.list),
            web.post("/api/sessions", self.create),
            web.get("/api/sessions/{id}", self.read),
            web.patch("/api/sessions/{id}", self.rename),
            web.delete("/api/sessions/{id}", self.erase),
        ]

    @allow("guest", "chat")
    async def list(self, request: web.Request) -> web.Response:
        """Return the sessions, the newest used first."""
        return json_response({"sessions": await self._conversations.sessions(_who(request))})

    @allow("guest", "chat")
    async def create(self, request: web.Request) -> web.Response:
        """Begin an empty session."""
        body = await read_json(request, NewSession)
        return json_response(await self._conversations.create_session(_who(request), body.title), status=201)

    @allow("guest", "chat")
    async def read(self, request: web.Request) -> web.Response:
        """Return one session with its last turns, or those before the turn `before`.

        `running` is the turn to resume, if there is one; `more` says whether older turns exist.
        """
        session_id, principal_id = request.match_info["id"], _who(request)
        limit, before = _limit(request), request.query.get("before")
        session = await self._conversations.session(session_id, principal_id)
        turns = await self._conversations.transcript(session_id, principal_id, limit + 1, before)
        running = [turn.turn_id for turn in turns if turn.status == "running"]
        return json_response(
            {
                "session": session,
                "turns": [view_of(turn) for turn in turns[-limit:]],
                "more": len(turns) > limit,
                "running": running[0] if running else None,
            }
        )

    @allow("guest", "chat")
    async def rename(self, request: web.Request) -> web.Response:
        """Give the session another title, or show it to the household, or to nobody else any more."""
        body = await read_json(request, Change)
        session_id, who = request.match_info["id"], _who(request)
        if body.visibility is not msgspec.UNSET:
            await self._conversations.share(session_id, who, body.visibility)
        if body.title is not msgspec.UNSET:
            await self._conversations.rename(session_id, who, body.title)
        return json_response(await self._conversations.session(session_id, who))

    @allow("guest", "chat")
    async def erase(self, request: web.Request) -> web.Response:
        """Erase the session for good, running answer and caches included."""
        person = principal_of(request)
        await self._assistant.forget_session(request.match_info["id"], person)
        await self._audit.record("conversation.erased", person.id, {})
        return web.Response(status=204)


def _who(request: web.Request) -> str:
    return request[SIGNED_IN].user


def _limit(request: web.Request) -> int:
    value = request.query.get("limit", str(PAGE))
    if not (value.isascii() and value.isdigit() and 1 <= int(value[:9]) <= MAX_PAGE):
        raise UsageError("WEB_BAD_FIELD", f"limit is a number from 1 to {MAX_PAGE}")
    return int(value[:9])


def view_of(turn: StoredTurn) -> TurnView:
    """Return a stored turn as clients see it."""
    return TurnView(
        id=turn.turn_id,
        status=turn.status,
        user_text=turn.user_text,
        answer_text=turn.answer_text,
        model=turn.model,
        route=turn.route,
        timings=turn.timings,
        usage=turn.usage,
        sources=turn.sources,
        error_code=turn.error_code,
        created_at=turn.created_at,
        finished_at=turn.finished_at,
    )
