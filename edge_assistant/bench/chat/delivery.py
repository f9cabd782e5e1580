"""How soon a token is on the page that asked, and what open pages cost the daemon."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import psutil

from edge_assistant.bench.device import Device, running_device
from edge_assistant.bench.goal import Goal, Result
from edge_assistant.bench.measurement import Measurement, Setting
from edge_assistant.bench.page import Browser, Heard, browser
from edge_assistant.bench.statistic import median, percentile

IDLE, ACTIVE = 200, 10
CONNECTS, AT_ONCE = 5000, 20
WARMING = 200
"""Connects before descriptors are counted: thread pools and the database's readers have theirs by then."""

QUESTION = "Tell me a long story about a lighthouse and the people who live near it."
MEGABYTE = 1_000_000
SETTLING_SECONDS = 10.0
"""What closing connections may take before a descriptor counts as left."""

DELIVERY = Goal(
    metric="p99 from the worker's emitting a token to its arrival, 200 idle sockets and 10 active chats",
    unit="ms",
    text="200 idle sockets and 10 active chats: p99 delivery ≤ 20 ms after the worker emitted the token",
    at_most=20,
)
GROWTH = Goal(
    metric="growth of the daemon's resident memory by 200 idle sockets and 10 active chats",
    unit="MB",
    text="200 idle sockets and 10 active chats: daemon RSS growth ≤ 25 MB",
    at_most=25,
)
DESCRIPTORS = Goal(
    metric="growth of the daemon's descriptors over 5,000 connects",
    unit="descriptors",
    text="no descriptor growth over 5,000 connects",
    at_most=0,
)


async def _chats(setting: Setting) -> tuple[list[Heard], float, int, int]:
    """Return the answers, MB that the daemon grew by, descriptors that stayed, and how many connects."""
    tokens = setting.count(200, 40)
    async with running_device(setting, {"llm": {"parallel": ACTIVE, "max_tokens": tokens}}) as device:
        await device.wait_for_model()
        async with browser(device) as client:
            async with client.page() as page:
                await page.ask("Say hello.")  # what the first answer loads is no growth
            before = device.rss_bytes
            async with client.pages(IDLE), client.pages(ACTIVE) as pages:
                asked = [asyncio.create_task(page.ask(QUESTION), name="bench chat") for page in pages]
                highest = await _highest_rss(device, asked)
                heard = await asyncio.gather(*asked)
            connects = setting.count(CONNECTS, 400)
            left = await _descriptors_left(device, client, connects)
    return heard, (highest - before) / MEGABYTE, left, connects


async def _highest_rss(device: Device, asked: list[asyncio.Task[Heard]]) -> int:
    """Return the most memory that the daemon had while the questions were answered."""
    highest = device.rss_bytes
    while not all(task.done() for task in asked):
        await asyncio.wait(asked, timeout=0.5)
        highest = max(highest, device.rss_bytes)
    return highest


async def _descriptors_left(device: Device, client: Browser, connects: int) -> int:
    """Open and close pages, and return how many descriptors the daemon has more than before."""

    async def come_and_go(times: int) -> None:
        for _ in range(times):
            async with client.page():
                pass

    await asyncio.gather(*(come_and_go(WARMING // AT_ONCE) for _ in range(AT_ONCE)))
    await asyncio.sleep(1)
    before = _descriptors(device)
    await asyncio.gather(*(come_and_go(connects // AT_ONCE) for _ in range(AT_ONCE)))
    deadline = time.monotonic() + SETTLING_SECONDS
    while _descriptors(device) > before and time.monotonic() < deadline:  # noqa: ASYNC110 - no event tells
        await asyncio.sleep(0.1)
    return _descriptors(device) - before


def _descriptors(device: Device) -> int:
    return int(psutil.Process(device.pid).num_fds())


def measure(setting: Setting) -> Iterator[Result]:
    """Chat on one daemon with many open pages, then come and go."""
    heard, growth, left, connects = asyncio.run(_chats(setting))
    delays = [
        (arrival - emitted) * 1000
        for each in heard
        for arrival, emitted in zip(each.arrivals, each.emitted, strict=True)
    ]
    note = (
        f"n={len(delays)} pieces of text over WebSockets, in a client on the same machine that the model "
        f"keeps busy; median {median(delays):.2g} ms, p90 {percentile(delays, 90):.2g} ms, "
        f"longest {max(delays):.2g} ms"
    )
    yield DELIVERY.measured(percentile(delays, 99), note)
    yield GROWTH.measured(growth, f"n=1 daemon, the highest of readings each 0.5 s; {len(heard)} chats")
    yield DESCRIPTORS.measured(
        max(left, 0), f"n={connects:,} WebSockets opened and closed, {AT_ONCE} at once"
    )


MEASUREMENTS = (Measurement((DELIVERY, GROWTH, DESCRIPTORS), measure),)
