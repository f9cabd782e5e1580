"""How fast answers are written, as a page receives them, against llama.cpp by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from edge_assistant.bench.device import model_path, running_device
from edge_assistant.bench.goal import Goal, Result
from edge_assistant.bench.measurement import Measurement, Setting
from edge_assistant.bench.page import Browser, Heard, browser
from edge_assistant.bench.raw import RawLlama, best_threads
from edge_assistant.bench.statistic import ratio, spread
from edge_assistant.bench.texts import STORY

ONE = Goal(
    metric="decode of one stream at the page / raw llama.cpp at its best thread count",
    unit="ratio",
    text="≥ 0.90",
    at_least=0.90,
)
FOUR = Goal(
    metric="decode of four streams at the pages / the same four batched raw",
    unit="ratio",
    text="≥ 0.95",
    at_least=0.95,
)

STREAMS = 4
_CELLS = 4096

Pair = tuple[float, float]
"""Tokens a second here and raw, measured right after each other."""


def measure(setting: Setting) -> Iterator[Result]:
    """Answer and decode raw in turns; raw decodes as many tokens behind as long a prompt."""
    raw = RawLlama(model_path(setting), cells=_CELLS)
    try:
        one, four = asyncio.run(_measure(setting, raw))
    finally:
        raw.close()
    yield ONE.measured(ratio(one), _note(one))
    yield FOUR.measured(ratio(four), _note(four))


async def _measure(setting: Setting, raw: RawLlama) -> tuple[list[Pair], list[Pair]]:
    sections = {"llm": {"max_tokens": setting.count(256, 96), "parallel": STREAMS}}
    rounds = setting.count(7, 2)
    async with running_device(setting, sections) as device:
        await device.wait_for_model()
        async with browser(device) as client:
            threads = best_threads(raw)
            setting.say(f"raw llama.cpp: best with {threads} threads")
            raw.use_threads(threads[1])
            one = [await _one(client, raw) for _ in range(rounds)]
            raw.use_threads(threads[STREAMS])
            four = [await _four(client, raw) for _ in range(rounds)]
    return one, four


async def _one(client: Browser, raw: RawLlama) -> Pair:
    async with client.page() as page:
        heard = await page.ask(STORY)
    return heard.tokens_per_second, raw.decode(heard.tokens, after=heard.prompt_tokens)


async def _four(client: Browser, raw: RawLlama) -> Pair:
    async with client.pages(STREAMS) as pages:
        heard = await asyncio.gather(*(page.ask(STORY) for page in pages))
    tokens = min(each.tokens for each in heard)
    return together(heard), raw.decode(tokens, after=heard[0].prompt_tokens, sequences=STREAMS)


def together(heard: list[Heard]) -> float:
    """Return tokens a second of all streams together, while all of them were being written."""
    start = max(each.arrivals[0] for each in heard)
    end = min(each.arrivals[-1] for each in heard)
    arrived = sum(each.tokens_between(start, end) for each in heard)
    return arrived / (end - start)


def _note(pairs: list[Pair]) -> str:
    ours, raw = zip(*pairs, strict=True)
    return f"{spread(ours, 'tokens/s')} at the page, {spread(raw, 'tokens/s')} raw"


MEASUREMENTS = (Measurement((ONE, FOUR), measure),)
