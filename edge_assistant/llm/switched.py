"""A language model that can be exchanged for another one while people ask.

What runs on the old model may come to its end for a while; what is asked meanwhile waits for the new
one. The old one is stopped before the new one starts: a small device has no room for two.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Protocol, runtime_checkable

import msgspec

from edge_assistant.errors import ModelError
from edge_assistant.llm.protocol import (
    Completion,
    Generation,
    LanguageModel,
    ModelStatus,
    Piece,
    Progress,
    Stream,
)
from edge_assistant.llm.stream import unstarted_completion
from edge_assistant.llm.wire import Tuning, TuningWishes

logger = logging.getLogger(__name__)

DRAIN_SECONDS = 20.0
"""How long running answers may go on when another model is wanted."""


class OwnedModel(LanguageModel, Protocol):
    """A language model with a life."""

    async def start(self) -> None:
        """Begin loading; returns at once."""
        ...

    async def stop(self) -> None:
        """End it; it gets a few seconds to save what it holds."""
        ...


@runtime_checkable
class Tunable(Protocol):
    """A model whose engine runs here."""

    async def tune(self, wishes: TuningWishes) -> Tuning:
        """Find out what is fastest on this device."""
        ...


class SwitchedModel:
    """Stands for whichever model is chosen."""

    def __init__(self, model: OwnedModel, *, drain_seconds: float = DRAIN_SECONDS) -> None:
        self._model = model
        self._drain_seconds = drain_seconds
        self._streams: set[SwitchedStream] = set()
        """Those that run on the present model."""
        self._idle = asyncio.Event()
        self._idle.set()
        self._settled = asyncio.Event()
        """Cleared while the models are exchanged."""
        self._settled.set()
        self._exchange = asyncio.Lock()
        self._exchanges: set[asyncio.Task[None]] = set()

    @property
    def status(self) -> ModelStatus:
        """What the present model is doing."""
        status = self._model.status
        if self._settled.is_set():
            return status
        return msgspec.structs.replace(
            status, phase="loading", detail="another model is taking its place; answers wait for it"
        )

    async def start(self) -> None:
        """Begin loading; returns at once."""
        await self._model.start()

    async def stop(self) -> None:
        """Stop the present model."""
        for exchange in self._exchanges:
            exchange.cancel()
        await asyncio.gather(*self._exchanges, return_exceptions=True)
        await self._model.stop()

    def begin_switch(self, model: OwnedModel) -> None:
        """Put `model` in the place of the present one, soon; from now on answers wait for it."""
        self._settled.clear()
        exchange = asyncio.create_task(self.switch(model), name=f"switch-{model.status.name}")
        self._exchanges.add(exchange)
        exchange.add_done_callback(self._exchanges.discard)

    async def switch(self, model: OwnedModel) -> None:
        """Put `model` in the place of the present one; returns when it has begun to load."""
        async with self._exchange:
            self._settled.clear()
            try:
                await self._drain()
                await self._model.stop()
                self._model = model
                await model.start()
            finally:
                self._settled.set()
        logger.info("the model is now %s", model.status.name)

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(self._drain_seconds):
                await self._idle.wait()
        except TimeoutError:
            logger.warning("%d answers are cut off for another model", len(self._streams))

    def generate(self, generation: Generation) -> Stream:
        """Begin an answer on the present model, or on the one that is coming."""
        return SwitchedStream(self, generation)

    async def prepare(self, generation: Generation) -> None:
        """Compute the prompt's KV ahead of time, unless the model is about to change."""
        if self._settled.is_set():
            await self._model.prepare(generation)

    async def forget(self, conversation: str) -> None:
        """Drop everything cached of a conversation."""
        await self._model.forget(conversation)

    @property
    def idle(self) -> bool:
        """Whether it is loaded and nobody waits for an answer."""
        return self._settled.is_set() and not self._streams and self._model.status.phase == "ready"

    async def tune(self, wishes: TuningWishes) -> Tuning:
        """Find out what is fastest on this device; raises TUNING_NOT_POSSIBLE, and as the model does."""
        if not isinstance(self._model, Tunable):
            raise ModelError("TUNING_NOT_POSSIBLE", "this model doesn't run on this device")
        return await self._model.tune(wishes)

    async def begin(self, stream: SwitchedStream) -> LanguageModel:
        """Return the model that answers, once it is settled which one that is; `end` must follow."""
        await self._settled.wait()
        self._streams.add(stream)
        self._idle.clear()
        return self._model

    def end(self, stream: SwitchedStream) -> None:
        """Take note that an answer is over."""
        self._streams.discard(stream)
        if not self._streams:
            self._idle.set()


class SwitchedStream:
    """One generation on whichever model it meets."""

    def __init__(self, model: SwitchedModel, generation: Generation) -> None:
        self.completion: Completion | None = None
        self._model = model
        self._generation = generation
        self._stream: Stream | None = None
        self._cancelled = False

    async def __aiter__(self) -> AsyncIterator[Progress | Piece]:
        """Yield what the model yields; raises what it raises."""
        model = await self._model.begin(self)
        try:
            if self._cancelled:
                self.completion = unstarted_completion()
                return
            self._stream = stream = model.generate(self._generation)
            async for item in stream:
                yield item
            self.completion = stream.completion
        finally:
            self._model.end(self)

    async def cancel(self) -> None:
        """Ask for the end. Idempotent."""
        self._cancelled = True
        if self._stream is not None:
            await self._stream.cancel()
