from __future__ import annotations

import asyncio
import threading

import pytest

from edge_assistant.bench.thread import to_its_end


async def test_who_is_cancelled_meanwhile_still_waits_for_the_thread():
    begun, gate, done = threading.Event(), threading.Event(), []

    def work() -> None:
        begun.set()
        gate.wait(60)
        done.append(True)

    task = asyncio.create_task(to_its_end(work))
    await asyncio.to_thread(begun.wait, 60)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == [True]
