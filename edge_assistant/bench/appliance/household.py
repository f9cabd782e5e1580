"""What a device costs that does everything: memory after many turns, and processor while nobody asks."""

from __future__ import annotations

import asyncio
import re
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil

from edge_assistant.bench.chat.memory import answer_turns
from edge_assistant.bench.device import Device, Sections, running_device
from edge_assistant.bench.goal import Goal, Result
from edge_assistant.bench.measurement import CannotMeasureError, Measurement, Setting
from edge_assistant.bench.mosquitto import Mosquitto
from edge_assistant.bench.page import Browser, browser

TURNS, MORE_TURNS = 100, 500
IDLE_SECONDS = 60
COLD_STARTS = 3

_PAGES = 4
_SETTLE_SECONDS = 10.0
"""Until vectors are made and what a turn left to do is done."""

_DROP_CACHES = Path("/proc/sys/vm/drop_caches")

STATED = "stated"

HELD = Goal(
    metric="resident memory of the daemon after 100 turns, everything but the voice switched on",
    unit="MB",
    text=STATED,
)
IDLE = Goal(
    metric="processor time of that device while nobody asks, workers too", unit="% of one core", text=STATED
)
WAKEUPS = Goal(metric="times a second that its daemon wakes up meanwhile", unit="1/s", text=STATED)
GROWTH = Goal(metric="growth of that memory over 500 more turns", unit="MB", text=STATED)
COLD = Goal(metric="boot to READY, from an empty file cache", unit="s", text=STATED)


def measure(setting: Setting) -> Iterator[Result]:
    """Answer turns, watch the device rest, and answer more."""
    turns, seconds, more = (
        setting.count(TURNS, 12),
        setting.count(IDLE_SECONDS, 5),
        setting.count(MORE_TURNS, 8),
    )
    held, workers, processor, wakeups, growth = asyncio.run(_measure(setting, turns, seconds, more))
    yield HELD.measured(held, f"after {turns} turns; its workers {workers:.0f} MB besides, models among them")
    yield IDLE.measured(processor, f"over {seconds} s")
    yield WAKEUPS.measured(wakeups, f"voluntary context switches of all its threads, over {seconds} s")
    yield GROWTH.measured(
        growth, f"{held:.1f} MB after {turns} turns, {held + growth:.1f} MB after {turns + more}"
    )


async def _measure(
    setting: Setting, turns: int, seconds: int, more: int
) -> tuple[float, float, float, float, float]:
    async with _household(setting) as device:
        await device.wait_for_model()
        async with browser(device) as client:
            await _answered(client, turns)
            await asyncio.sleep(setting.count(1, 0) * _SETTLE_SECONDS)
            held = device.rss_bytes / 1e6
            daemon = psutil.Process(device.pid)
            workers = sum(each.memory_info().rss for each in daemon.children(recursive=True)) / 1e6
            before, began = (_spent(daemon), _wakeups(device.pid)), time.monotonic()
            await asyncio.sleep(seconds)
            took = time.monotonic() - began
            processor = 100 * (_spent(daemon) - before[0]) / took
            wakeups = (_wakeups(device.pid) - before[1]) / took
            await _answered(client, more)
            await asyncio.sleep(setting.count(1, 0) * _SETTLE_SECONDS)
            return held, workers, processor, wakeups, device.rss_bytes / 1e6 - held


async def _answered(client: Browser, turns: int) -> None:
    """Have turns answered on pages that are closed afterwards: nobody would read their pings."""
    async with client.pages(_PAGES) as pages:
        await answer_turns(pages, turns)


@asynccontextmanager
async def _household(setting: Setting) -> AsyncIterator[Device]:
    """Run a device at a broker of the house and of an operator, open to the house, with all its rooms."""
    with tempfile.TemporaryDirectory(prefix="edge-assistant-bench-") as folder:
        mosquitto = Mosquitto(Path(folder)).start()
        sections: Sections = {
            "llm": {"max_tokens": 6},
            "assistant": {"answers_per_minute": 0},
            "web": {"port": 0, "lan": True, "tls_port": 0},
            "documents": {"enabled": True},
            "mqtt": {"enabled": True, "url": mosquitto.url},
            "cloud": {"enabled": True, "consent": "asked", "url": mosquitto.url},
        }
        try:
            async with running_device(setting, sections) as device:
                yield device
        finally:
            mosquitto.kill()


def _spent(daemon: psutil.Process) -> float:
    times = [each.cpu_times() for each in (daemon, *daemon.children(recursive=True))]
    return float(sum(each.user + each.system for each in times))


def _wakeups(pid: int) -> int:
    statuses = "".join(path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/status"))
    return sum(map(int, re.findall(r"^voluntary_ctxt_switches:\s+(\d+)", statuses, re.MULTILINE)))


def measure_cold(setting: Setting) -> Iterator[Result]:
    """Start with nothing of the program in the file cache, as after power came back; the slowest counts."""
    starts = [asyncio.run(_cold(setting)) for _ in range(setting.count(COLD_STARTS, 1))]
    yield COLD.measured(max(starts), f"the slowest, n={len(starts)}")


async def _cold(setting: Setting) -> float:
    try:
        await asyncio.to_thread(_DROP_CACHES.write_text, "3\n")
    except OSError as error:
        raise CannotMeasureError(
            "only root may empty the file cache: sudo edge-assistant bench appliance"
        ) from error
    async with running_device(setting) as device:
        return device.ready_seconds


MEASUREMENTS = (Measurement((COLD,), measure_cold), Measurement((HELD, IDLE, WAKEUPS, GROWTH), measure))
