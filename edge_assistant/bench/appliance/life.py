"""From the start of the process to READY, to the first word of an answer, and from SIGTERM to its end."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import msgspec

from edge_assistant.bench.device import Device, running_device
from edge_assistant.bench.goal import Goal, Result
from edge_assistant.bench.measurement import Measurement, Setting
from edge_assistant.bench.statistic import spread
from edge_assistant.config.address import socket_address
from edge_assistant.errors import EdgeError

LIVES = 6
"""The first one only warms the file cache."""

QUESTION = "Say hello."
STORY = "Write a very long story about the sea."

READY = Goal(metric="boot to READY, from a warm file cache", unit="s", text="≤ 5 s", at_most=5.0)
ANSWERING = Goal(
    metric="boot to the first word of an answer, from a warm file cache", unit="s", text="≤ 8 s", at_most=8.0
)
STOPPED = Goal(
    metric="shutdown with an answer under way, from SIGTERM to the end of the process",
    unit="s",
    text="≤ 3 s",
    at_most=3.0,
)


def measure(setting: Setting) -> Iterator[Result]:
    """Let the device live several times; the slowest counts."""
    lives = [asyncio.run(_life(setting)) for _ in range(1 + setting.count(LIVES, 1))][1:]
    ready, answering, stopped = zip(*lives, strict=True)
    yield READY.measured(max(ready), f"the slowest; {spread(ready, 's')}")
    yield ANSWERING.measured(
        max(answering), f"the slowest, asked at READY while the model loads; {spread(answering, 's')}"
    )
    yield STOPPED.measured(max(stopped), f"the slowest; {spread(stopped, 's')}")


async def _life(setting: Setting) -> tuple[float, float, float]:
    """Return seconds to READY, to the first word, and from SIGTERM to the end."""
    async with running_device(setting) as device:
        started = time.monotonic() - device.ready_seconds
        async with _answer(device, QUESTION):
            answering = time.monotonic() - started
        async with _answer(device, STORY):
            asked_to_stop = time.monotonic()
            await device.stop()
            return device.ready_seconds, answering, time.monotonic() - asked_to_stop


@asynccontextmanager
async def _answer(device: Device, text: str) -> AsyncIterator[None]:
    """Ask and enter the block at the first word; whoever asked stays until the end of the block."""
    with socket_address(device.paths.control_socket) as address:
        reader, writer = await asyncio.open_unix_connection(address)
    message = {"type": "message", "id": uuid.uuid4().hex, "session": uuid.uuid4().hex, "text": text}
    writer.write(msgspec.json.encode(message) + b"\n")
    try:
        while (kind := msgspec.json.decode(await reader.readline())["type"]) != "text.delta":
            if kind in {"turn.failed", "turn.finished", "error"}:
                raise EdgeError("BENCH_FAILED", "a question was not answered")
        yield
    finally:
        writer.close()


MEASUREMENTS = (Measurement((READY, ANSWERING, STOPPED), measure),)
