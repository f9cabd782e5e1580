"""Work in a thread that is never left alone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import ParamSpec

P = ParamSpec("P")


async def to_its_end(work: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
    """Run `work` in a thread and wait for it, also when cancelled meanwhile.

    A thread can't be stopped: one that starts a broker would start it after everything was cleaned up.
    """
    running = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        with contextlib.suppress(Exception):
            await running
        raise
