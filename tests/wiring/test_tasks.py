"""Work beside the rest ends with it, and not in silence before."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from edge_assistant.wiring.tasks import begin


async def test_work_is_cancelled_and_awaited_when_the_stack_unwinds(caplog: pytest.LogCaptureFixture) -> None:
    ended = False

    async def work() -> None:
        nonlocal ended
        try:
            await asyncio.sleep(600)
        finally:
            await asyncio.sleep(0)
            ended = True

    async with AsyncExitStack() as stack:
        begin(stack, work(), "work")
        await asyncio.sleep(0)
    assert ended
    assert not caplog.records


async def test_work_that_fails_is_said_and_takes_nothing_with_it(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        raise ZeroDivisionError

    async with AsyncExitStack() as stack:
        begin(stack, work(), "nightly backups")
        await asyncio.sleep(0.01)
        (record,) = caplog.records
        assert record.getMessage() == "nightly backups ended by an error"
        assert record.exc_info
