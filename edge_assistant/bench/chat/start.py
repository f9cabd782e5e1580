"""How soon the daemon is ready, and whether the page is there before the model is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from edge_assistant.bench.device import running_device
from edge_assistant.bench.goal import Goal, Result
from edge_assistant.bench.measurement import Measurement, Setting
from edge_assistant.bench.page import browser
from edge_assistant.bench.statistic import median, spread

READY = Goal(
    metric="READY after start, from a warm file cache",
    unit="s",
    text="≤ 3 s",
    at_most=3.0,
)
PAGE_FIRST = Goal(
    metric="first answer of the page / model ready, both after start",
    unit="ratio",
    text="the page answers while the model still loads",
    at_most=1.0,
)


def measure(setting: Setting) -> Iterator[Result]:
    """Start the daemon several times; the first start only warms the file cache."""
    starts = [asyncio.run(_start(setting)) for _ in range(1 + setting.count(5, 1))][1:]
    ready, page, model = zip(*starts, strict=True)
    yield READY.measured(
        median(ready), f"{spread(ready, 's')}; the model was ready after {spread(model, 's')}"
    )
    share = median([first / loaded for first, loaded in zip(page, model, strict=True)])
    yield PAGE_FIRST.measured(share, f"signed in and told `loading` after {spread(page, 's')}")


async def _start(setting: Setting) -> tuple[float, float, float]:
    """Return seconds until READY, until a signed-in page was told the model's phase, until the model."""
    async with running_device(setting) as device:
        started = time.monotonic() - device.ready_seconds
        async with browser(device) as client:
            phase = (await client.status())["model"]["phase"]
            page = time.monotonic() - started
        if phase != "loading":  # the page came second; the model may have been there from READY on
            return device.ready_seconds, page, device.ready_seconds
        await device.wait_for_model()
        return device.ready_seconds, page, time.monotonic() - started


MEASUREMENTS = (Measurement((READY, PAGE_FIRST), measure),)
