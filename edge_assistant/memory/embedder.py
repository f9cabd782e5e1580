"""The daemon's side of the `embed` worker: started when first needed, gone again when idle."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Sequence
from pathlib import Path

import msgspec

from edge_assistant.catalog.catalog import find_model
from edge_assistant.errors import ModelError, UsageError, WorkerError
from edge_assistant.memory.conversation_rows import storable
from edge_assistant.memory.embedding import (
    EMBEDDER,
    MAX_TEXT_CHARACTERS,
    MAX_TEXTS,
    UNRELATED,
    Embed,
    Embedded,
    EmbedderSettings,
    EmbedFailed,
    EmbedReply,
    Loaded,
)
from edge_assistant.workers.supervisor import Worker, WorkerSpec, WorkerState

logger = logging.getLogger(__name__)

EMBED_TARGET = "edge_assistant.memory.embed_worker:main"

IDLE_SECONDS = 300.0
"""After this long without a request the worker ends and its memory is free."""

NICE = 10
"""Answers of the language model go before vectors when both want the processor."""

WAITING = 256
"""Requests that may wait at once; more are refused."""

_MODELS: dict[str, dict[str, str | float]] = {
    EMBEDDER: {"pooling": "mean", "unrelated": UNRELATED},
    "bge-small-en-v1.5": {
        "pooling": "cls",
        "query_prefix": "Represent this sentence for searching relevant passages: ",
    },
}
"""How each embedder of the catalogue wants to be used, as its authors say; all have 384 dimensions."""

_DIMENSIONS = 384


def embedder_settings(model_id: str, models: Path, threads: int = 0) -> EmbedderSettings:
    """Return the settings of an embedder of the catalogue.

    Raises MODEL_UNKNOWN, MODEL_MISSING, MODEL_CORRUPT, and MODEL_FAILED for a model of another kind.
    """
    path = find_model(model_id, models)
    if model_id not in _MODELS:
        raise ModelError("MODEL_FAILED", f"{model_id} is no embedder; use one of {', '.join(_MODELS)}")
    fields = {
        "name": model_id,
        "model_file": str(path),
        "dimensions": _DIMENSIONS,
        "threads": threads,
        **_MODELS[model_id],
    }
    return msgspec.convert(fields, EmbedderSettings)


class _Request:
    """One request between who asked and the worker."""

    def __init__(self, message: Embed) -> None:
        self.message = message
        self.answer: asyncio.Future[Embedded] = asyncio.get_running_loop().create_future()
        self.sent = False
        """Whether the present worker has it."""
        self.deaths = 0
        """Workers that died over it."""


class FastembedEmbedder:
    """fastembed in a supervised process of its own, behind `Embedder`.

    The process is started by the first request and ends after `idle_seconds` without one. A request
    that a dying worker had is given to the next one, once.
    """

    def __init__(
        self,
        settings: EmbedderSettings,
        *,
        idle_seconds: float = IDLE_SECONDS,
        worker_spec: WorkerSpec | None = None,
    ) -> None:
        spec = worker_spec or WorkerSpec(name="embed", target=EMBED_TARGET, settings=settings, nice=NICE)
        self._settings = settings
        self._idle_seconds = idle_seconds
        self._worker: Worker[EmbedReply] = Worker(spec, EmbedReply, self._receive, self._change)
        self._running = False
        """Between the start and the stop of the worker, whatever lives it has in between."""
        self._loaded = False
        self._broken = False
        """Whether the worker could not load the model; the next request tries with a new one."""
        self._closed = False
        self._unrelated = UNRELATED
        self._requests: dict[int, _Request] = {}
        self._ids = itertools.count(1)
        self._lifecycle = asyncio.Lock()
        self._idle: asyncio.TimerHandle | None = None
        """Fires when the worker was idle for long; None while it works."""
        self._unloading: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """The catalogue's id of the model."""
        return self._settings.name

    @property
    def dimensions(self) -> int:
        """Numbers in a vector."""
        return self._settings.dimensions

    @property
    def unrelated(self) -> float:
        """Mean cosine of texts about nothing in common, known once a vector was made."""
        return self._unrelated

    @property
    def worker_state(self) -> WorkerState:
        """The process behind it."""
        return self._worker.state

    async def embed(self, texts: Sequence[str], *, background: bool = False) -> Embedded:
        """Return the vectors of passages.

        Raises EMBEDDER_INPUT when there are too many or too long texts, EMBEDDER_BUSY with
        `retry_after`, EMBEDDER_FAILED, EMBEDDER_STOPPED.
        """
        return await self._ask(texts, query=False, background=background)

    async def embed_query(self, text: str) -> bytes:
        """Return the vector of a question; raises as `embed` does."""
        return (await self._ask([text[:MAX_TEXT_CHARACTERS]], query=True, background=False)).vectors[0]

    async def stop(self) -> None:
        """End the worker for good; who still waits gets EMBEDDER_STOPPED. Idempotent."""
        self._closed = True
        self._rest()
        if self._unloading is not None:
            await asyncio.wait([self._unloading])
        async with self._lifecycle:
            await self._end_worker()
        self._fail_all("EMBEDDER_STOPPED", "the embedder was stopped; ask again when the assistant runs")

    async def _ask(self, texts: Sequence[str], *, query: bool, background: bool) -> Embedded:
        self._check(texts)
        identity = next(self._ids)
        clean = tuple(storable(text) for text in texts)
        message = Embed(id=identity, texts=clean, query=query, background=background)
        request = _Request(message)
        self._requests[identity] = request
        self._rest()
        try:
            await self._wake()
            self._dispatch(request)
            return await request.answer
        finally:
            self._requests.pop(identity, None)
            self._arm()

    def _check(self, texts: Sequence[str]) -> None:
        if self._closed:
            raise WorkerError("EMBEDDER_STOPPED", "the embedder was stopped; ask when the assistant runs")
        if len(texts) > MAX_TEXTS or any(len(text) > MAX_TEXT_CHARACTERS for text in texts):
            raise UsageError(
                "EMBEDDER_INPUT",
                f"at most {MAX_TEXTS} texts of {MAX_TEXT_CHARACTERS:,} characters can be embedded at once",
            )
        if len(self._requests) >= WAITING:
            raise WorkerError("EMBEDDER_BUSY", "the embedder has too much to do", retry_after=2.0)

    # --- the life of the worker

    async def _wake(self) -> None:
        async with self._lifecycle:
            if self._broken:
                await self._end_worker()
            if not self._running and not self._closed:
                self._running = True
                await self._worker.start()

    async def _end_worker(self) -> None:
        if self._running:
            self._running = self._loaded = self._broken = False
            await self._worker.stop()

    def _arm(self) -> None:
        """Count the idle time from now when nothing is asked."""
        if not self._requests and self._running and not self._closed:
            self._rest()
            self._idle = asyncio.get_running_loop().call_later(self._idle_seconds, self._unload)

    def _rest(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _unload(self) -> None:
        self._unloading = asyncio.get_running_loop().create_task(self._unload_idle(), name="unload embedder")

    async def _unload_idle(self) -> None:
        async with self._lifecycle:
            if not any(not request.answer.done() for request in self._requests.values()):
                logger.info("the embedder is unloaded")
                await self._end_worker()

    # --- from and to the worker

    def _dispatch(self, request: _Request) -> None:
        """Give a request to the worker; it waits when there is none at this moment."""
        if not self._loaded or request.sent:
            return
        try:
            self._worker.send(request.message)
            request.sent = True
        except WorkerError as error:
            if error.code != "WORKER_GONE":
                self._fail(request, "EMBEDDER_BUSY", "the embedder does not keep up", 2.0)

    def _receive(self, reply: EmbedReply) -> None:
        match reply:
            case Loaded():
                logger.info("embedder %s is ready after %.0f ms", self.name, reply.load_ms)
                self._loaded, self._unrelated = True, reply.unrelated
                for request in list(self._requests.values()):
                    self._dispatch(request)
            case EmbedFailed(0, code, message):
                self._broken = True
                self._fail_all(code, message)
            case EmbedFailed(identity, code, message):
                if (failed := self._requests.get(identity)) is not None:
                    self._fail(failed, code, message)
            case Embedded():
                self._answer(reply)

    def _answer(self, reply: Embedded) -> None:
        request = self._requests.get(reply.id)
        if request is not None and not request.answer.done():
            request.answer.set_result(reply)

    def _change(self, state: WorkerState) -> None:
        if state.phase == "restarting":
            self._loaded = False
            for request in list(self._requests.values()):
                self._bereave(request)
        elif state.phase == "failed":
            self._loaded = False
            self._fail_all("EMBEDDER_FAILED", f"the embedder can't be run: {state.detail}")

    def _bereave(self, request: _Request) -> None:
        request.sent = False
        request.deaths += 1
        if request.deaths > 1:
            self._fail(request, "EMBEDDER_FAILED", "the embedder died twice over this; see the log")

    def _fail_all(self, code: str, message: str) -> None:
        for request in list(self._requests.values()):
            self._fail(request, code, message)

    def _fail(self, request: _Request, code: str, message: str, retry_after: float | None = None) -> None:
        with contextlib.suppress(asyncio.InvalidStateError):
            request.answer.set_exception(WorkerError(code, message, retry_after=retry_after))
