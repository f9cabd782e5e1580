"""Work beside a block of code, or beside all that follows."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar

logger = logging.getLogger(__name__)

T = TypeVar("T")


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, T], name: str) -> AsyncIterator[asyncio.Task[T]]:
    """Run `work` beside the block; it is cancelled and awaited at the end of the block."""
    task = _begun(work, name)
    try:
        yield task
    finally:
        await _end(task)


def begin(stack: AsyncExitStack, work: Coroutine[Any, Any, None], name: str) -> None:
    """Run `work` until the stack unwinds."""
    stack.push_async_callback(_end, _begun(work, name))


def _begun(work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
    task = asyncio.get_running_loop().create_task(work, name=name)
    task.add_done_callback(_tell)
    return task


async def _end(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.wait([task])


def _tell(task: asyncio.Task[Any]) -> None:
    """Say that work failed which nobody waits for: it must not end in silence."""
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("%s ended by an error", task.get_name(), exc_info=error)
