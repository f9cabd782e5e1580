"""A stream that a model feeds and one consumer iterates."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

from edge_assistant.errors import EdgeError
from edge_assistant.llm.protocol import Completion, Piece, Progress


class FedStream:
    """Implements `Stream` between a model's callbacks and its consumer, in one event loop.

    It never blocks who feeds it: what waits is bounded by the generation's `max_tokens`.
    """

    def __init__(self, on_cancel: Callable[[], None]) -> None:
        self.completion: Completion | None = None
        self._on_cancel = on_cancel
        self._error: EdgeError | None = None
        self._items: deque[Progress | Piece] = deque()
        self._news = asyncio.Event()

    @property
    def ended(self) -> bool:
        """Whether nothing more is fed; what was fed may still wait for the consumer."""
        return self.completion is not None or self._error is not None

    def put(self, item: Progress | Piece) -> None:
        """Feed an item; progress that nobody read yet is replaced by newer progress."""
        if isinstance(item, Progress) and self._items and isinstance(self._items[-1], Progress):
            self._items.pop()
        self._items.append(item)
        self._news.set()

    def end(self, completion: Completion) -> None:
        """End the stream in order."""
        self.completion = completion
        self._news.set()

    def fail(self, error: EdgeError) -> None:
        """End the stream by an error, which iteration raises after the items fed so far."""
        self._error = error
        self._news.set()

    def __aiter__(self) -> AsyncIterator[Progress | Piece]:
        return self

    async def __anext__(self) -> Progress | Piece:
        while not self._items:
            if self._error is not None:
                raise self._error
            if self.completion is not None:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return self._items.popleft()

    async def cancel(self) -> None:
        """Ask the model to stop. Idempotent; nothing happens when the stream has ended."""
        if not self.ended:
            self._on_cancel()


def unstarted_completion() -> Completion:
    """Return the completion of a generation that was cancelled before any work was done."""
    return Completion(reason="cancelled", token_ids=(), prompt_tokens=0, cached_tokens=0, completion_tokens=0)
