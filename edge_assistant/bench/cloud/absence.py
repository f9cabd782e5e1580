"""How soon the link is back after the broker was away, on a scripted clock: a day passes in seconds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from edge_assistant.bench.cloud.parts import answer, broker_folder, counting_upstream, mosquitto, workers
from edge_assistant.bench.goal import Goal, Result
from edge_assistant.bench.measurement import Measurement, Setting
from edge_assistant.bench.mosquitto import Mosquitto
from edge_assistant.bench.thread import to_its_end
from edge_assistant.bench.upstream import answer_to, question
from edge_assistant.cloud.rpc import CloudModel
from edge_assistant.errors import EdgeError
from edge_assistant.mqtt.connection import CONNECT_SECONDS, Connection
from edge_assistant.wiring.cloud import RECONNECT

AWAY_SECONDS = (1, 10, 60, 600, 3_600, 21_600, 86_400)

BACK = Goal(
    metric="longest time from the broker's return until the device was back",
    unit="s",
    text="broker away 1 s to 24 h (scripted clock): back ≤ 60 s after it returns, no restart",
    at_most=60.0,
)


class Clock:
    """Time that passes only while somebody sleeps; the broker returns when its hour has come."""

    def __init__(self, broker: Mosquitto) -> None:
        self.now = 0.0
        self.returns_at: float | None = None
        self._broker = broker

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        if self.returns_at is not None and self.now + seconds >= self.returns_at:
            await to_its_end(self._broker.start)
            self.returns_at = None
        self.now += seconds
        await asyncio.sleep(0)


async def _away(seconds: int, broker: Mosquitto, connection: Connection, clock: Clock) -> float:
    """Return how long after the broker's return the connection was up again."""
    returns, connects = clock.now + seconds, connection.connects
    clock.returns_at = returns
    await to_its_end(broker.kill)  # a short absence may be over when this returns
    async with asyncio.timeout(600):
        while connection.connects == connects or not connection.online:  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.002)
    return clock.now - returns


async def _run(setting: Setting) -> tuple[list[float], int]:
    away = AWAY_SECONDS[: setting.count(len(AWAY_SECONDS), 4)]
    with broker_folder() as folder, mosquitto(folder) as broker:
        clock = Clock(broker)
        connection = Connection(broker.broker, "away", reconnect=RECONNECT, clock=clock, sleep=clock.sleep)
        model = CloudModel(connection, "away", patience_seconds=60)
        async with counting_upstream() as url, workers(1, broker.url, url):
            running = asyncio.create_task(connection.run(), name="bench away")
            try:
                while not connection.online:  # noqa: ASYNC110 - no event tells
                    await asyncio.sleep(0.01)
                seconds = [await _away(each, broker, connection, clock) for each in away]
                asked = question(5, "back")
                deadline = time.monotonic() + 30
                while await _answered(model, asked) != answer_to(asked):
                    if time.monotonic() > deadline:
                        raise EdgeError("BENCH_FAILED", "no question was answered afterwards")
                return seconds, len(away)
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)


async def _answered(model: CloudModel, asked: str) -> str:
    try:
        return await answer(model, asked)
    except EdgeError:
        await asyncio.sleep(0.2)
        return ""


def measure(setting: Setting) -> Iterator[Result]:
    """Take the broker away for longer and longer."""
    seconds, count = asyncio.run(_run(setting))
    worst = max(seconds) + CONNECT_SECONDS
    each = ", ".join(f"{value:.1f}" for value in seconds)
    note = (
        f"n={count} absences of 1 s to {AWAY_SECONDS[count - 1]:,} s; {each} s on the scripted clock, and "
        f"{CONNECT_SECONDS:.0f} s added that a try may hang; the same process answered a question afterwards"
    )
    yield BACK.measured(worst, note)


MEASUREMENTS = (Measurement((BACK,), measure),)
