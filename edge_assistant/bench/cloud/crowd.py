"""A hundred devices on one broker and four workers: what gets through, and whether all are served alike."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack

from edge_assistant.bench.cloud.parts import (
    answer,
    broker_folder,
    counting_upstream,
    device,
    mosquitto,
    until_served,
    workers,
)
from edge_assistant.bench.goal import Goal, Result
from edge_assistant.bench.measurement import Measurement, Setting
from edge_assistant.bench.statistic import median, percentile
from edge_assistant.bench.upstream import answer_to, question
from edge_assistant.cloud.rpc import CloudModel
from edge_assistant.errors import EdgeError

DEVICES, WORKERS, QUESTIONS, WORDS, EVERY_MS = 100, 4, 10, 20, 50

TEXT = "100 simulated devices, real Mosquitto, 4 workers: "
THROUGHPUT = Goal(metric="answers of all devices together", unit="answers/s", text=f"{TEXT}throughput")
P99 = Goal(metric="time to the whole answer, p99", unit="ms", text=f"{TEXT}p99")
FAIR = Goal(
    metric="p50 of the slowest device over that of the fastest",
    unit="ratio",
    text=f"{TEXT}slowest device's p50 ≤ 2 of the fastest's",
    at_most=2.0,
)


async def _times(model: CloudModel, name: str, count: int) -> list[float]:
    times = []
    for number in range(count):
        asked = question(WORDS, f"{name}-{number}", EVERY_MS)
        began = time.monotonic()
        if await answer(model, asked) != answer_to(asked):
            raise EdgeError("BENCH_FAILED", "an answer has a gap")
        times.append((time.monotonic() - began) * 1000)
    return times


async def _run(setting: Setting) -> tuple[list[list[float]], float]:
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(broker_folder())
        broker = stack.enter_context(mosquitto(folder))
        url = await stack.enter_async_context(counting_upstream())
        await stack.enter_async_context(workers(WORKERS, broker.url, url, "--parallel", "32"))
        names = [f"device-{number}" for number in range(setting.count(DEVICES, 40))]
        models = [await stack.enter_async_context(device(broker.broker, name)) for name in names]
        for model in models[: 4 * WORKERS]:
            await until_served(model)
        await asyncio.sleep(setting.count(20, 5) / 10)  # all four have come by now
        began, count = time.monotonic(), setting.count(QUESTIONS, 2)
        times = await asyncio.gather(
            *(_times(model, name, count) for name, model in zip(names, models, strict=True))
        )
        return list(times), time.monotonic() - began


def measure(setting: Setting) -> Iterator[Result]:
    """Let all devices ask, each one question after the other."""
    times, seconds = asyncio.run(_run(setting))
    every = [each for own in times for each in own]
    least = WORDS * EVERY_MS
    note = (
        f"n={len(every)} answers of {WORDS} words in {seconds:.1f} s; the model alone takes {least} ms each"
    )
    yield THROUGHPUT.measured(len(every) / seconds, f"{note}; {WORDS * len(every) / seconds:.0f} chunks/s")
    yield P99.measured(percentile(every, 99), f"{note}; median {median(every):.0f} ms")
    middles = sorted(median(own) for own in times)
    yield FAIR.measured(middles[-1] / middles[0], f"{middles[0]:.0f} to {middles[-1]:.0f} ms, n={len(times)}")


MEASUREMENTS = (Measurement((THROUGHPUT, P99, FAIR), measure),)
