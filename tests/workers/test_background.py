"""When work that nobody waits for may go on."""

from __future__ import annotations

import asyncio

from edge_assistant.workers.background import Background


async def begins(background: Background) -> bool:
    """Return whether a piece may begin at once."""
    turn = asyncio.ensure_future(background.turn())
    for _ in range(5):
        await asyncio.sleep(0)
    begun = turn.done()
    turn.cancel()
    await asyncio.wait([turn])
    return begun


async def test_work_gives_way_while_somebody_is_answered() -> None:
    background = Background(patience_seconds=60)
    assert await begins(background)
    background.give_way(True)
    assert not await begins(background)
    background.give_way(False)
    assert await begins(background)


async def test_a_house_that_talks_without_a_pause_still_gets_a_piece_done() -> None:
    background = Background(patience_seconds=0.01)
    background.give_way(True)
    await background.turn()


async def test_while_the_device_is_spared_patience_ends_nothing() -> None:
    background = Background(patience_seconds=0)
    background.rest()
    assert not await begins(background)
    background.go_on()
    background.give_way(True)
    await background.turn()
