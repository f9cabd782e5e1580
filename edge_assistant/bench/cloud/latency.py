"""What the way over the broker costs: the first token, and how much text gets through one worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from edge_assistant.bench.cloud.parts import (
    asking,
    broker_folder,
    counting_upstream,
    device,
    mosquitto,
    until_served,
    workers,
)
from edge_assistant.bench.goal import Goal, Result
from edge_assistant.bench.measurement import Measurement, Setting
from edge_assistant.bench.statistic import median, percentile, spread
from edge_assistant.bench.upstream import answer_to, question
from edge_assistant.errors import EdgeError
from edge_assistant.llm.openai_remote import RemoteModel
from edge_assistant.llm.protocol import LanguageModel, Piece

PAIRS, CHUNKS, RUNS = 300, 20_000, 5

FIRST_TOKEN = Goal(
    metric="first token over MQTT later than from the same server directly, p95",
    unit="ms",
    text="first token over MQTT ≤ 15 ms p95 later than the same endpoint called directly on loopback",
    at_most=15.0,
)
THROUGHPUT = Goal(
    metric="chunks through one worker",
    unit="chunks/s",
    text="≥ 2,000 chunks/s through one worker",
    at_least=2000.0,
)


async def _first_ms(model: LanguageModel, name: str) -> float:
    began = time.monotonic()
    stream = model.generate(asking(question(3, name)))
    first = 0.0
    async for item in stream:
        if isinstance(item, Piece) and item.text and not first:
            first = time.monotonic()
    return (first - began) * 1000


async def _rate(model: LanguageModel, chunks: int) -> float:
    asked, said, pieces, first = question(chunks, "x"), [], 0, 0.0
    async for item in model.generate(asking(asked)):
        if isinstance(item, Piece):
            first = first or time.monotonic()
            pieces += 1
            said.append(item.text)
    seconds = time.monotonic() - first
    if "".join(said) != answer_to(asked):
        raise EdgeError("BENCH_FAILED", "the answer has a gap")
    return (pieces - 1) / seconds


async def _run(setting: Setting) -> tuple[list[tuple[float, float]], list[float]]:
    with broker_folder() as folder, mosquitto(folder) as broker:
        async with (
            counting_upstream() as url,
            workers(1, broker.url, url),
            device(broker.broker, "one") as model,
        ):
            await until_served(model)
            direct = RemoteModel("counting", url=url, model="counting")
            await direct.start()
            try:
                count = setting.count(PAIRS, 50)
                pairs = [(await _first_ms(model, "m"), await _first_ms(direct, "d")) for _ in range(count)]
            finally:
                await direct.stop()
            chunks = setting.count(CHUNKS, 4_000)
            rates = [await _rate(model, chunks) for _ in range(setting.count(RUNS, 2))]
            return pairs[count // 10 :], rates


def measure(setting: Setting) -> Iterator[Result]:
    """Ask the same server both ways in turn, then for long answers over the broker."""
    pairs, rates = asyncio.run(_run(setting))
    later = [over - straight for over, straight in pairs]
    note = (
        f"n={len(pairs)} pairs in turn; median later {median(later):.2f} ms; over MQTT "
        f"{spread([over for over, _ in pairs], 'ms')}, directly {spread([each for _, each in pairs], 'ms')}"
    )
    yield FIRST_TOKEN.measured(percentile(later, 95), note)
    yield THROUGHPUT.measured(median(rates), f"a word a chunk and message, checked: {spread(rates)}")


MEASUREMENTS = (Measurement((FIRST_TOKEN, THROUGHPUT), measure),)
