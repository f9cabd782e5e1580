"""Streams of a model on their way to the person: held back while in doubt, joined to what stands there."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator

import msgspec

from edge_assistant.assistant.routing import Doubt
from edge_assistant.llm.protocol import Piece, Progress, Stream
from edge_assistant.llm.seam import Seam


class UnsureError(Exception):
    """The model is unsure of what it began to say; `held` is that."""

    def __init__(self, held: tuple[Piece, ...]) -> None:
        super().__init__()
        self.held = held


async def doubted(stream: Stream, doubt: Doubt) -> AsyncIterator[Progress | Piece]:
    """Yield what the model says once it is sure of it; raises `UnsureError`, with the model stopped."""
    held: list[Piece] = []
    async for item in stream:
        if isinstance(item, Progress):
            yield item
            continue
        held.append(item)
        unsure = doubt.hear(item.certainty)
        if unsure is None:
            continue
        if unsure:
            await _stop(stream)
            raise UnsureError(tuple(held))
        for piece in held:
            yield piece
        held.clear()
    for piece in held:  # it ended before anybody could tell
        yield piece


async def joined(items: AsyncIterable[Progress | Piece], before: str) -> AsyncIterator[Progress | Piece]:
    """Yield what goes on after `before`, without what it says again."""
    seam, at = Seam(before), 0.0
    async for item in items:
        if isinstance(item, Piece):
            at = item.emitted_at
            yield msgspec.structs.replace(item, text=seam.feed(item.text))
        else:
            yield item
    if rest := seam.finish():
        yield Piece(rest, (), at)


async def _stop(stream: Stream) -> None:
    await stream.cancel()
    async for _ in stream:
        pass
