"""What the client of the `llm` worker waits for, across the lives of the worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import msgspec

from edge_assistant.errors import ModelError
from edge_assistant.llm.protocol import Completion, Generation, Piece, Progress
from edge_assistant.llm.stream import FedStream
from edge_assistant.llm.wire import Emitted, Tuned, Tuning, TuningFailed


class PendingAnswer:
    """One generation between its stream and the worker."""

    def __init__(self, generation: Generation, stream: FedStream) -> None:
        self.generation = generation
        self.stream = stream
        self.tokens = list(generation.continuation)
        self.sent = False
        """Whether the present worker has it; False while it waits for a worker."""
        self.retried = False
        self.cancelled = False
        self.asked = time.monotonic()
        self.first_token: float | None = None
        """`time.monotonic` at the first token in any life of the worker."""

    def continued(self) -> Generation:
        """Return the generation for a worker that goes on where the last one stopped."""
        return msgspec.structs.replace(self.generation, continuation=tuple(self.tokens))

    def report_progress(self, progress: Progress) -> None:
        """Pass on how far the prompt is read; after the first token nobody wants to know."""
        if self.first_token is None:
            self.stream.put(progress)

    def receive(self, emitted: Emitted) -> None:
        """Pass on new tokens."""
        self.first_token = self.first_token or time.monotonic()
        self.tokens += emitted.token_ids
        self.stream.put(Piece(emitted.text, emitted.token_ids, emitted.at, emitted.certainty))

    def complete(self, completion: Completion) -> None:
        """End the stream; counts and times of a retried answer cover both lives of the worker."""
        if self.retried or not self.sent:
            completion = msgspec.structs.replace(
                completion,
                token_ids=tuple(self.tokens),
                completion_tokens=len(self.tokens),
                first_token_ms=_ms(self.first_token - self.asked) if self.first_token else 0.0,
                total_ms=_ms(time.monotonic() - self.asked),
            )
        self.stream.end(completion)


class PendingForgets:
    """Who waits for a conversation to be forgotten; the worker answers in order."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}

    async def wait(self, conversation: str, seconds: float) -> bool:
        """Wait for the next answer about `conversation`; False when none came in time."""
        forgotten: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(conversation, []).append(forgotten)
        done, _ = await asyncio.wait([forgotten], timeout=seconds)
        return bool(done)

    def resolve(self, conversation: str) -> None:
        """Wake the one who asked first."""
        waiting = self._waiting.get(conversation, [])
        if waiting:
            waiting.pop(0).set_result(None)
        if not waiting:
            self._waiting.pop(conversation, None)

    def resolve_all(self) -> None:
        """Wake everyone."""
        for conversation in list(self._waiting):
            while conversation in self._waiting:
                self.resolve(conversation)


class PendingTuning:
    """Who waits for a sweep; there is one at a time."""

    def __init__(self) -> None:
        self._end: asyncio.Future[Tuning] | None = None

    async def wait(self, begin: Callable[[], bool]) -> Tuning:
        """Begin a sweep and return its result; raises TUNING_NOT_POSSIBLE, or what it failed with."""
        if self._end is not None or not begin():
            message = "the model is not loaded, or is being tuned already; try again later"
            raise ModelError("TUNING_NOT_POSSIBLE", message, retry_after=30.0)
        self._end = asyncio.get_running_loop().create_future()
        try:
            return await self._end
        finally:
            self._end = None

    def resolve(self, reply: Tuned | TuningFailed) -> None:
        """Hand over the end."""
        if self._end is None or self._end.done():
            return
        if isinstance(reply, Tuned):
            self._end.set_result(reply.tuning)
        else:
            self._end.set_exception(ModelError(reply.code, reply.message))


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)
