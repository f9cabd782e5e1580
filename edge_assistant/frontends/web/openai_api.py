"""OpenAI's API, so that its clients work against this device unchanged.

A program keeps its conversation itself, so each call is a stateless request to the same assistant:
same line, limits, model and events as every other turn. Nobody can come back to such a turn, so it
is stopped when its program hangs up.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web

from edge_assistant.assistant.events import TextDelta, TurnFailed, TurnFinished
from edge_assistant.assistant.turn import Turn
from edge_assistant.errors import BusyError, EdgeError, UsageError
from edge_assistant.frontends.web.access import allow
from edge_assistant.frontends.web.auth import principal_of
from edge_assistant.frontends.web.openai_api_body import ChatBody, to_request
from edge_assistant.frontends.web.openai_api_reply import Completion, as_data, error_body
from edge_assistant.frontends.web.ports import Assistant
from edge_assistant.frontends.web.responses import json_response, read_json, status_of, unexpected
from edge_assistant.frontends.web.sse import kept_alive
from edge_assistant.llm.protocol import ModelStatus
from edge_assistant.memory.embedding import Embedded, Embedder, unpack_vector

LOOK_SECONDS = 1.0
"""How often it is checked whether the program is still there."""

HOLD_SECONDS = 10.0
"""A stream's status waits so long for the first word, so that a refusal gets a status of its own."""


MAX_EMBEDDING = 16
"""Requests for vectors at once, so that the line before the embedder keeps room for the house's own."""


class EmbeddingsBody(msgspec.Struct):
    """The body of `POST /v1/embeddings`."""

    input: str | Annotated[list[str], msgspec.Meta(min_length=1, max_length=2048)]
    model: str
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = None


class OpenAI:
    """Serves `/v1`."""

    def __init__(
        self,
        assistant: Assistant,
        model_status: Callable[[], ModelStatus],
        embedder: Embedder | None,
        send_seconds: float,
    ) -> None:
        self._assistant = assistant
        self._model_status = model_status
        self._embedder = embedder
        self._send_seconds = send_seconds
        self._embedding = 0
        """Requests for vectors that are being answered."""
        self._started = int(time.time())

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of the API."""
        return [
            web.get("/v1/models", self.models),
            web.get("/v1/models/{id:.+}", self.model),
            web.post("/v1/chat/completions", self.complete),
            web.post("/v1/embeddings", self.embed),
        ]

    @allow("guest", "chat")
    async def models(self, request: web.Request) -> web.Response:
        """List what can be asked."""
        del request
        return json_response({"object": "list", "data": [self._describe(name) for name in self._names()]})

    @allow("guest", "chat")
    async def model(self, request: web.Request) -> web.Response:
        """Describe one model."""
        name = request.match_info["id"]
        if name not in self._names():
            raise _unknown(name)
        return json_response(self._describe(name))

    @allow("guest", "chat")
    async def complete(self, request: web.Request) -> web.StreamResponse:
        """Answer a conversation that the program brings along."""
        body = await read_json(request, ChatBody)
        if body.model != self._model_status().name:
            raise _unknown(body.model)
        turn = await self._assistant.start(to_request(body, principal_of(request)))
        completion = Completion(turn.id, body.model)
        async with _stopped_with_client(request, turn):
            if body.stream:
                with_usage = bool(body.stream_options and body.stream_options.include_usage)
                return await self._stream(request, turn, completion, with_usage=with_usage)
            return json_response(completion.whole(_finished(await turn.wait())))

    @allow("guest", "chat")
    async def embed(self, request: web.Request) -> web.Response:
        """Turn texts into vectors."""
        body = await read_json(request, EmbeddingsBody)
        embedder = self._embedder
        if embedder is None:
            raise UsageError(
                "EMBEDDER_MISSING",
                "no embedder: `edge-assistant models pull`, then restart",
            )
        if body.model != embedder.name:
            raise _unknown(body.model)
        if body.dimensions not in {None, embedder.dimensions}:
            message = f"vectors have {embedder.dimensions} numbers here - at `$.dimensions`"
            raise UsageError("API_UNSUPPORTED", message)
        texts = [body.input] if isinstance(body.input, str) else body.input
        if not all(texts):
            raise UsageError("WEB_BAD_FIELD", "a text is empty - at `$.input`")
        made = await self._vectors(embedder, texts)
        encode = _as_base64 if body.encoding_format == "base64" else unpack_vector
        data = [
            {"object": "embedding", "index": n, "embedding": encode(vector)}
            for n, vector in enumerate(made.vectors)
        ]
        usage = {"prompt_tokens": made.tokens, "total_tokens": made.tokens}
        return json_response({"object": "list", "data": data, "model": embedder.name, "usage": usage})

    async def _vectors(self, embedder: Embedder, texts: list[str]) -> Embedded:
        """Return vectors, made when nothing of the house's own waits for the embedder."""
        if self._embedding >= MAX_EMBEDDING:
            raise BusyError("EMBEDDER_BUSY", "programs ask for too many vectors at once", retry_after=2)
        self._embedding += 1
        try:
            return await embedder.embed(texts, background=True)
        finally:
            self._embedding -= 1

    def _names(self) -> list[str]:
        return [self._model_status().name, *([self._embedder.name] if self._embedder else [])]

    def _describe(self, name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": self._started, "owned_by": "edge-assistant"}

    async def _stream(
        self, request: web.Request, turn: Turn, completion: Completion, *, with_usage: bool
    ) -> web.StreamResponse:
        await _first_word(turn)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        try:
            async with asyncio.timeout(None) as patience, kept_alive(response, turn.id):
                async for chunk in _chunks(turn, completion, with_usage=with_usage):
                    patience.reschedule(asyncio.get_running_loop().time() + self._send_seconds)
                    await response.write(chunk)
                    patience.reschedule(None)
        except (TimeoutError, ConnectionError):
            await _abandon(request, turn)
        except Exception as error:  # noqa: BLE001 - the headers are out: no error response is possible
            unexpected(error, "POST /v1/chat/completions")
            await _abandon(request, turn)
        return response


async def _chunks(turn: Turn, completion: Completion, *, with_usage: bool) -> AsyncIterator[bytes]:
    """Yield the stream of an answer."""
    yield completion.begin()
    async for event in turn.events():
        if isinstance(event, TextDelta):
            yield completion.text(event.text)
        elif isinstance(event, TurnFinished):
            yield completion.end(event, with_usage=with_usage)
        elif isinstance(event, TurnFailed):
            error = _error(event)
            yield as_data(error_body(error, status_of(error)))


async def _first_word(turn: Turn) -> None:
    """Wait a moment for the first word; raises the error when there will be none."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(HOLD_SECONDS):
            async for event in turn.events():
                if isinstance(event, TextDelta | TurnFinished):
                    return
                if isinstance(event, TurnFailed):
                    raise _error(event)


@contextlib.asynccontextmanager
async def _stopped_with_client(request: web.Request, turn: Turn) -> AsyncIterator[None]:
    """Stop the turn when the program hangs up, or when the block ends early."""

    async def look() -> None:
        while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(LOOK_SECONDS)
        await turn.cancel()

    task = asyncio.create_task(look(), name=f"web-look-{turn.id}")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await turn.cancel()  # changes nothing when it has ended


async def _abandon(request: web.Request, turn: Turn) -> None:
    await turn.cancel()
    if isinstance(request.transport, asyncio.Transport):
        request.transport.abort()


def _finished(last: TurnFinished | TurnFailed) -> TurnFinished:
    if isinstance(last, TurnFailed):
        raise _error(last)
    return last


def _error(failed: TurnFailed) -> EdgeError:
    kind = EdgeError if failed.retry_after is None else BusyError
    return kind(failed.code, failed.message, retry_after=failed.retry_after)


def _unknown(name: str) -> UsageError:
    return UsageError("MODEL_UNKNOWN", f"there is no model {name[:80]!r}: `/v1/models` lists those there are")


def _as_base64(vector: bytes) -> Any:
    return base64.b64encode(vector).decode()
