"""How soon a page has what the model made, with twenty people asking at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from edge_assistant.bench.device import running_device
from edge_assistant.bench.goal import Goal, Result
from edge_assistant.bench.measurement import Measurement, Setting
from edge_assistant.bench.page import Heard, browser
from edge_assistant.bench.statistic import median, percentile
from edge_assistant.bench.texts import STORY

DELIVERY = Goal(
    metric="WebSocket delivery after the worker emitted the token, p99 with 20 clients",
    unit="ms",
    text="≤ 10 ms",
    at_most=10.0,
)

CLIENTS = 20


def measure(setting: Setting) -> Iterator[Result]:
    """Let twenty pages ask at the same moment, a few times; all answers are written to their end."""
    rounds = asyncio.run(_measure(setting))
    late = [[1000 * each for heard in answers for each in delays(heard)] for answers in rounds]
    p99 = median([percentile(each, 99) for each in late])
    every = [each for round_ in late for each in round_]
    yield DELIVERY.measured(
        p99,
        f"median of {len(rounds)} rounds; all {len(every)} tokens: p50 {percentile(every, 50):.2g} ms, "
        f"p99 {percentile(every, 99):.3g} ms, latest {max(every):.3g} ms",
    )


def delays(heard: Heard) -> list[float]:
    """Return the seconds between the making and the arrival of each piece of text."""
    return [at - made for at, made in zip(heard.arrivals, heard.emitted, strict=True)]


async def _measure(setting: Setting) -> list[list[Heard]]:
    sections = {"llm": {"max_tokens": setting.count(64, 24)}, "assistant": {"answers_per_minute": 0}}
    async with running_device(setting, sections) as device:
        await device.wait_for_model()
        async with browser(device) as client, client.pages(CLIENTS) as pages:
            return [
                await asyncio.gather(*(page.ask(STORY) for page in pages)) for _ in range(setting.count(5, 1))
            ]


MEASUREMENTS = (Measurement((DELIVERY,), measure),)
