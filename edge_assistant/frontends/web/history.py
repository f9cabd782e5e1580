"""Looking back: words in conversations, a whole conversation as a file, how the last turns went."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from aiohttp import web

from edge_assistant.errors import UsageError
from edge_assistant.frontends.web.access import allow
from edge_assistant.frontends.web.auth import principal_of
from edge_assistant.frontends.web.responses import json_response
from edge_assistant.frontends.web.sessions import view_of
from edge_assistant.memory.conversation import Session, StoredTurn, TurnStatus
from edge_assistant.memory.conversations import Conversations
from edge_assistant.store.audit import AuditLog

MOST_QUERY_CHARACTERS = 200
EXPORTED_AT_ONCE = 200
INSPECTED = 30
QUESTION_CHARACTERS = 120

_YOU = {"de": "Du"}
_UNFIT = re.compile(r"[^\w .-]+")


class InspectedTurn(msgspec.Struct, frozen=True, kw_only=True):
    """A turn as the inspector draws it. Times are UNIX seconds."""

    id: str
    session: str
    status: TurnStatus
    question: str
    """Its first words."""
    created_at: float
    route: dict[str, Any] | None
    timings: dict[str, Any] | None
    usage: dict[str, Any] | None
    error_code: str | None


class History:
    """Serves a person's past; other people's doesn't exist here."""

    def __init__(self, conversations: Conversations, audit: AuditLog) -> None:
        self._conversations = conversations
        self._audit = audit

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of the past."""
        return [
            web.get("/api/search", self.search),
            web.get("/api/turns", self.turns),
            web.get("/api/sessions/{id}/export", self.export, allow_head=False),
        ]

    @allow("guest", "chat")
    async def search(self, request: web.Request) -> web.Response:
        """Return the sessions that hold all words of `q`, the newest place first."""
        text = request.query.get("q", "")
        if len(text) > MOST_QUERY_CHARACTERS:
            raise UsageError("WEB_BAD_FIELD", f"q has at most {MOST_QUERY_CHARACTERS} characters")
        return json_response({"hits": await self._conversations.search(principal_of(request).id, text)})

    @allow("guest", "chat")
    async def turns(self, request: web.Request) -> web.Response:
        """Return how the last turns went, the newest first."""
        turns = await self._conversations.latest(principal_of(request).id, INSPECTED)
        return json_response({"turns": [_inspected(turn) for turn in turns]})

    @allow("guest", "chat")
    async def export(self, request: web.Request) -> web.StreamResponse:
        """Send a whole session as a file: `format` is `markdown` or `json`, `lang` the page's language."""
        kind, language = request.query.get("format", "markdown"), request.query.get("lang", "en")
        if kind not in {"markdown", "json"}:
            raise UsageError("WEB_BAD_FIELD", "format is markdown or json")
        session_id, person = request.match_info["id"], principal_of(request).id
        session = await self._conversations.session(session_id, person)
        await self._audit.record("conversation.exported", person, {"format": kind})
        turns = self._all_turns(session_id, person)
        pieces = (
            _json(session, turns) if kind == "json" else _markdown(session, turns, _YOU.get(language, "You"))
        )
        media, ending = ("application/json", "json") if kind == "json" else ("text/markdown", "md")
        response = web.StreamResponse(
            headers={
                "Content-Type": f"{media}; charset=utf-8",
                "Content-Disposition": f'attachment; filename="{_file_name(session)}.{ending}"',
            }
        )
        await response.prepare(request)
        async for piece in pieces:
            await response.write(piece.encode())
        return response

    async def _all_turns(self, session_id: str, person: str) -> AsyncIterator[StoredTurn]:
        last: str | None = None
        while page := await self._conversations.transcript_after(session_id, person, last, EXPORTED_AT_ONCE):
            for turn in page:
                yield turn
            last = page[-1].turn_id


def _inspected(turn: StoredTurn) -> InspectedTurn:
    return InspectedTurn(
        id=turn.turn_id,
        session=turn.session,
        status=turn.status,
        question=turn.user_text[:QUESTION_CHARACTERS],
        created_at=turn.created_at,
        route=turn.route,
        timings=turn.timings,
        usage=turn.usage,
        error_code=turn.error_code,
    )


async def _json(session: Session, turns: AsyncIterator[StoredTurn]) -> AsyncIterator[str]:
    yield f'{{"session":{msgspec.json.encode(session).decode()},"turns":['
    separator = "\n"
    async for turn in turns:
        yield separator + msgspec.json.encode(view_of(turn)).decode()
        separator = ",\n"
    yield "\n]}\n"


async def _markdown(session: Session, turns: AsyncIterator[StoredTurn], you: str) -> AsyncIterator[str]:
    yield f"# {session.title}\n"
    async for turn in turns:
        yield f"\n## {you}, {_when(turn.created_at)}\n\n{turn.user_text}\n"
        if turn.answer_text:
            yield f"\n## {turn.model or 'Assistant'}\n\n{turn.answer_text}\n"


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _file_name(session: Session) -> str:
    """Return a name that any file system and header takes."""
    name = _UNFIT.sub(" ", session.title).encode("ascii", "ignore").decode()
    return " ".join(name.split())[:60].strip(" .-") or "conversation"
