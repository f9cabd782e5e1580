"""One turn over plain HTTP: the WebSocket's events as server-sent events, or the finished answer as JSON."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator

import msgspec
from aiohttp import web

from edge_assistant.assistant.events import Event, TurnFailed, TurnFinished
from edge_assistant.assistant.request import Request
from edge_assistant.assistant.turn import Turn
from edge_assistant.errors import BusyError, EdgeError, UsageError
from edge_assistant.frontends.protocol import Id, Text
from edge_assistant.frontends.web.access import allow
from edge_assistant.frontends.web.auth import principal_of
from edge_assistant.frontends.web.ports import Assistant
from edge_assistant.frontends.web.responses import json_response, read_json, unexpected

KEEP_ALIVE_SECONDS = 15.0


class Ask(msgspec.Struct, frozen=True):
    """The body of `POST /api/chat`; without `session` a new one begins, without `id` the turn gets one."""

    text: Text
    session: Id = msgspec.field(default_factory=lambda: str(uuid.uuid4()))
    id: Id = msgspec.field(default_factory=lambda: str(uuid.uuid4()))
    private: bool = False


class Chat:
    """Answers one message over HTTP. A client that leaves doesn't stop the turn."""

    def __init__(self, assistant: Assistant, send_seconds: float) -> None:
        self._assistant = assistant
        self._send_seconds = send_seconds

    def routes(self) -> list[web.RouteDef]:
        """Return the route of the chat."""
        return [web.post("/api/chat", self.post)]

    @allow("guest", "chat")
    async def post(self, request: web.Request) -> web.StreamResponse:
        """Start the turn, or watch the known one of that id."""
        ask = await read_json(request, Ask)
        after = _last_event_id(request)
        turn = await self._assistant.start(
            Request(
                id=ask.id,
                text=ask.text,
                session=ask.session,
                principal=principal_of(request),
                source="web",
                private=ask.private,
            )
        )
        if "text/event-stream" in request.headers.get("Accept", ""):
            return await self._stream(request, turn, after)
        return await _whole(turn, ask.session)

    async def _stream(self, request: web.Request, turn: Turn, after: int) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        try:
            async with kept_alive(response, turn.id):
                async for event in turn.events(after=after):
                    async with asyncio.timeout(self._send_seconds):
                        await response.write(as_sse(event))
        except TimeoutError:
            _abort(request)  # the turn goes on; the client may repeat the id and its Last-Event-ID
        except ConnectionError:
            pass
        except Exception as error:  # noqa: BLE001 - the headers are out: no error response is possible
            unexpected(error, "POST /api/chat")
            _abort(request)
        return response


def as_sse(event: Event) -> bytes:
    """Return one server-sent event: its type, its number as id, and the WebSocket's JSON as data."""
    kind = event.__struct_config__.tag
    return f"event: {kind}\nid: {event.seq}\ndata: ".encode() + msgspec.json.encode(event) + b"\n\n"


async def _whole(turn: Turn, session: str) -> web.Response:
    last: Event | None = None
    async for event in turn.events():
        last = event
    if isinstance(last, TurnFinished):
        return json_response({**msgspec.to_builtins(last), "session": session})
    if isinstance(last, TurnFailed):
        kind = EdgeError if last.retry_after is None else BusyError
        raise kind(last.code, last.message, retry_after=last.retry_after)
    raise EdgeError("TURN_LOST", "the answer ended without a result: ask again")


@contextlib.asynccontextmanager
async def kept_alive(response: web.StreamResponse, turn_id: str) -> AsyncIterator[None]:
    """Send a comment now and then, so that nothing between takes a long wait for a dead connection."""

    async def comment() -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                await asyncio.sleep(KEEP_ALIVE_SECONDS)
                await response.write(b": waiting\n\n")

    task = asyncio.create_task(comment(), name=f"web-sse-{turn_id}")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _last_event_id(request: web.Request) -> int:
    value = request.headers.get("Last-Event-ID", "0")
    if not (value.isascii() and value.isdigit() and len(value) < 10):  # noqa: PLR2004
        raise UsageError("WEB_BAD_FIELD", "Last-Event-ID is the number of the last event received")
    return int(value)


def _abort(request: web.Request) -> None:
    if isinstance(request.transport, asyncio.Transport):
        request.transport.abort()
