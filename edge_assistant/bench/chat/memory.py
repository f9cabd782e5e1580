"""What the daemon's process holds, and whether it grows with the turns it has answered."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from edge_assistant.bench.device import running_device
from edge_assistant.bench.goal import Goal, Result
from edge_assistant.bench.measurement import Measurement, Setting
from edge_assistant.bench.page import Page, browser, new_session
from edge_assistant.bench.texts import QUESTIONS

HELD = Goal(
    metric="resident memory of the daemon after 100 turns",
    unit="MB",
    text="≤ 90 MB",
    at_most=90.0,
)
GROWTH = Goal(
    metric="growth of that memory over 500 more turns",
    unit="MB",
    text="no growth (under 1 MB, 2 kB a turn, is noise of the allocator)",
    at_most=1.0,
)

FIRST_TURNS, MORE_TURNS = 100, 500
_PAGES = 4
_SESSION_TURNS = 10
"""Turns of a conversation before the next one begins, as people do."""


def measure(setting: Setting) -> Iterator[Result]:
    """Answer the turns on four pages, a few tokens each, over the WebSocket."""
    first, more = setting.count(FIRST_TURNS, 20), setting.count(MORE_TURNS, 40)
    start, held, end = asyncio.run(_measure(setting, first, more))
    yield HELD.measured(held, f"after {first} turns; {start:.1f} MB when ready")
    yield GROWTH.measured(end - held, f"{held:.1f} MB after {first} turns, {end:.1f} MB after {first + more}")


async def _measure(setting: Setting, first: int, more: int) -> tuple[float, float, float]:
    sections = {"llm": {"max_tokens": 6}, "assistant": {"answers_per_minute": 0}}
    async with running_device(setting, sections) as device:
        await device.wait_for_model()
        start = device.rss_bytes / 1e6
        async with browser(device) as client, client.pages(_PAGES) as pages:
            await answer_turns(pages, first)
            held = device.rss_bytes / 1e6
            setting.say(f"{held:.1f} MB after {first} turns; {more} more")
            await answer_turns(pages, more)
            return start, held, device.rss_bytes / 1e6


async def answer_turns(pages: list[Page], turns: int) -> None:
    """Have so many turns answered on the pages, in conversations of ten."""
    await asyncio.gather(*(_converse(page, turns // len(pages)) for page in pages))


async def _converse(page: Page, turns: int) -> None:
    session = new_session()
    for turn in range(turns):
        if turn % _SESSION_TURNS == 0:
            session = new_session()
        await page.ask(QUESTIONS[turn % len(QUESTIONS)], session)


MEASUREMENTS = (Measurement((HELD, GROWTH), measure),)
