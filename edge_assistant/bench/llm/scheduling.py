"""A long prompt beside a running answer: who waits for whom, and what other slices would cost."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import Iterator
from typing import NamedTuple

from edge_assistant.bench.device import model_path, running_device
from edge_assistant.bench.goal import Goal, Result
from edge_assistant.bench.measurement import Measurement, Setting
from edge_assistant.bench.page import Browser, browser
from edge_assistant.bench.statistic import median, percentile, ratio, spread
from edge_assistant.bench.texts import STORY, prose
from edge_assistant.llm.client import LlamaModel
from edge_assistant.llm.protocol import Generation, Message, Piece, Sampling, Stream
from edge_assistant.llm.wire import LlamaSettings

GAP = Goal(
    metric="p95 gap of a running stream while a 2,000-token prompt is read",
    unit="ms",
    text="≤ 125 ms",
    at_most=125.0,
)
FIRST = Goal(
    metric="first token of the 2,000-token prompt beside that stream / its idle time",
    unit="ratio",
    text="≤ 2",
    at_most=2.0,
)
CURVE = Goal(
    metric="the same with slices of a fixed size: first token with slices by need / with the best fixed "
    "size that keeps the gap",
    unit="ratio",
    text="the curve over slice sizes",
)

PROMPT_WORDS = 1900
_SLICES = (2, 4, 8, 16, 64, 256)
_GAP_MS = 125.0


class Trial(NamedTuple):
    """One long prompt beside one stream."""

    gaps: list[float]
    """Seconds between the stream's tokens while the prompt was read."""
    first_token: float
    idle: float = 0.0
    """First token of such a prompt alone, in seconds."""
    tokens: int = 0


def measure(setting: Setting) -> Iterator[Result]:
    """Send the prompt with and without a stream beside it, in turns, over the page's WebSocket."""
    trials = asyncio.run(_at_the_page(setting))
    gaps = [1000 * gap for trial in trials for gap in trial.gaps]
    p95 = median([1000 * percentile(trial.gaps, 95) for trial in trials])
    yield GAP.measured(p95, f"gaps {spread(gaps, 'ms')}; {len(trials)} prompts of {trials[0].tokens} tokens")
    first, idle = [trial.first_token for trial in trials], [trial.idle for trial in trials]
    yield FIRST.measured(
        ratio(list(zip(first, idle, strict=True))),
        f"{spread(first, 's')} beside a stream, {spread(idle, 's')} idle",
    )


async def _at_the_page(setting: Setting) -> list[Trial]:
    sections = {"llm": {"max_tokens": 1024}, "assistant": {"answers_per_minute": 0}}
    words = setting.count(PROMPT_WORDS, PROMPT_WORDS // 4)
    async with running_device(setting, sections) as device:
        await device.wait_for_model()
        async with browser(device) as client:
            return [await _trial(client, words, 2 * number) for number in range(setting.count(5, 1))]


async def _trial(client: Browser, words: int, seed: int) -> Trial:
    async with client.pages(2) as (writer, asker):
        idle = await asker.ask_briefly(prose(words, seed))
        story = asyncio.create_task(writer.ask(STORY), name="bench story")
        await writer.writing.wait()
        beside = await asker.ask_briefly(prose(words, seed + 1))
        await writer.stop()
        told = await story
    return Trial(
        gaps_between(told.arrivals, beside.asked_at, beside.arrivals[0]),
        beside.first_token_seconds,
        idle.first_token_seconds,
        beside.prompt_tokens,
    )


def gaps_between(arrivals: list[float], start: float, end: float) -> list[float]:
    """Return the pauses between arrivals that lay at least partly between two moments."""
    return [
        later - earlier for earlier, later in itertools.pairwise(arrivals) if later > start and earlier < end
    ]


# --- the curve, on the worker without daemon and page around it


def measure_curve(setting: Setting) -> Iterator[Result]:
    """Read such a prompt with each slice size and with slices by need (0), each on a worker of its own."""
    sizes = (0, *_SLICES) if not setting.quick else (0, 8, 64)
    path = str(model_path(setting))
    words = setting.count(PROMPT_WORDS, PROMPT_WORDS // 8)
    points = {}
    for size in sizes:
        setting.say(f"slices of {size or 'a size by need'}")
        settings = LlamaSettings(model_path=path, context=4096, slice_tokens=size)
        points[size] = asyncio.run(_on_a_worker(settings, words))
    by_need = points.pop(0).first_token
    fitting = [p.first_token for p in points.values() if 1000 * percentile(p.gaps, 95) <= _GAP_MS]
    best = min(fitting or [p.first_token for p in points.values()])
    yield CURVE.measured(
        by_need / best, f"by need {by_need:.1f} s; " + "; ".join(map(_point, *_items(points)))
    )


def _items(points: dict[int, Trial]) -> tuple[list[int], list[Trial]]:
    return list(points), list(points.values())


def _point(size: int, trial: Trial) -> str:
    return f"{size}: p95 gap {1000 * percentile(trial.gaps, 95):.0f} ms, {trial.first_token:.1f} s"


async def _on_a_worker(settings: LlamaSettings, words: int) -> Trial:
    model = LlamaModel(settings, "bench")
    await model.start()
    try:
        await _first(model.generate(_generation("Hello.", 4)))
        story = model.generate(_generation(STORY, 1024))
        arrivals: list[float] = []
        began = asyncio.Event()
        writing = asyncio.create_task(_collect(story, arrivals, began), name="bench story")
        await began.wait()
        start = asyncio.get_running_loop().time()
        end = await _first(model.generate(_generation(prose(words), 4)))
        await story.cancel()
        await writing
        return Trial(gaps_between(arrivals, start, end), end - start)
    finally:
        await model.stop()


def _generation(text: str, max_tokens: int) -> Generation:
    messages = (Message("system", "You are a helpful assistant."), Message("user", text))
    return Generation(id=uuid.uuid4().hex, messages=messages, sampling=Sampling(max_tokens=max_tokens))


async def _collect(stream: Stream, arrivals: list[float], began: asyncio.Event) -> None:
    """Note when each piece was made."""
    async for item in stream:
        if isinstance(item, Piece):
            arrivals.append(item.emitted_at)
            began.set()


async def _first(stream: Stream) -> float:
    arrivals: list[float] = []
    await _collect(stream, arrivals, asyncio.Event())
    return arrivals[0]


MEASUREMENTS = (Measurement((GAP, FIRST), measure), Measurement((CURVE,), measure_curve))
