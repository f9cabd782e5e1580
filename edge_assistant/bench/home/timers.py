"""How punctual timers are, and whether they survive a kill."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from edge_assistant.bench.device import Device, running_device
from edge_assistant.bench.goal import Goal, Result
from edge_assistant.bench.measurement import Measurement, Setting
from edge_assistant.bench.mosquitto import Mosquitto
from edge_assistant.bench.page import Browser, browser
from edge_assistant.bench.statistic import median, percentile
from edge_assistant.mqtt.connection import Connection, Incoming

TIMERS = 100
FIRST_SECONDS, LAST_SECONDS = 12.0, 24.0
"""When they are due after the first was set: the daemon is killed and started anew before."""

AT_ONCE = 20
"""So many of them are due at the very same moment."""

NAME = "bench"

ERROR = Goal(
    metric="largest error of 100 timers, from the moment they were due to their event on the broker",
    unit="ms",
    text="100 timers: error ≤ 150 ms",
    at_most=150,
)
SURVIVORS = Goal(
    metric="timers that did not ring, or rang twice, after a kill -9 of the daemon",
    unit="timers",
    text="100 timers: all survive kill -9",
    at_most=0,
)


class Ear:
    """Hears the events of the device and notes when."""

    def __init__(self, mosquitto: Mosquitto) -> None:
        self.connection = Connection(mosquitto.broker, "bench-ear")
        self.connection.subscribe(f"edge-assistant/{NAME}/event", self._hear)
        self.rang: dict[str, list[float]] = {}

    async def _hear(self, message: Incoming) -> None:
        event: dict[str, Any] = msgspec.json.decode(message.payload)
        if event["event_type"].startswith("timer_") and event["event_type"] != "timer_stopped":
            self.rang.setdefault(event["label"], []).append(time.monotonic())


async def _run(setting: Setting, folder: Path) -> tuple[dict[str, float], dict[str, list[float]]]:
    """Return when each timer was due and when it was heard to ring."""
    count = setting.count(TIMERS, 20)
    mosquitto = Mosquitto(folder).start()
    ear = Ear(mosquitto)
    listening = asyncio.create_task(ear.connection.run(), name="bench ear")
    sections: dict[str, dict[str, Any]] = {
        "mqtt": {"enabled": True, "url": mosquitto.url, "device": NAME},
        "llm": {"snapshot_limit_mb": 0},
    }
    try:
        async with running_device(setting, sections) as device:
            due = await _set(device, count)
            await device.kill()
            await device.start()
            await asyncio.sleep(max(0.0, max(due.values()) - time.monotonic()) + 1.0)
        return due, ear.rang
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        mosquitto.kill()


async def _set(device: Device, count: int) -> dict[str, float]:
    """Set timers and return when each is due, by the moment at which its setting was answered."""
    due: dict[str, float] = {}
    async with browser(device) as client:
        began = time.monotonic()
        span = (LAST_SECONDS - FIRST_SECONDS) / count
        for number in range(count):
            wanted = FIRST_SECONDS + (0 if number < count * AT_ONCE // TIMERS else number * span)
            due[str(number)] = await _one(client, str(number), began + wanted)
    return due


async def _one(client: Browser, label: str, at: float) -> float:
    """Set a timer that is due at `at`, and return when it is: in the middle of what setting it took."""
    before = time.monotonic()
    seconds = at - before
    await client.post("/api/timers", {"seconds": seconds, "label": label})
    return (before + time.monotonic()) / 2 + seconds


def measure(setting: Setting) -> Iterator[Result]:
    """Set timers on a real daemon, kill it, start it again, and listen."""
    folder = Path(tempfile.mkdtemp(prefix="edge-assistant-bench-"))
    try:
        due, rang = asyncio.run(_run(setting, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    errors = [abs(rang[label][0] - at) * 1000 for label, at in due.items() if label in rang]
    note = (
        f"n={len(due)}, {AT_ONCE} % of them at the same moment, set over HTTP and heard over MQTT by another "
        f"program; the daemon was killed and started anew between"
    )
    if not errors:
        yield ERROR.failed("no timer rang")
    else:
        yield ERROR.measured(
            max(errors), f"{note}; median {median(errors):.2g} ms, p95 {percentile(errors, 95):.2g} ms"
        )
    wrong = sum(len(rang.get(label, [])) != 1 for label in due)
    yield SURVIVORS.measured(wrong, note)


MEASUREMENTS = (Measurement((ERROR, SURVIVORS), measure),)
