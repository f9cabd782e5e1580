"""What arrives of commands and announcements while the broker is killed again and again.

Two devices, each the MQTT frontend with a store and an outbox of its own, send each other commands over
one Mosquitto. What they say aloud is counted where a voice would say it.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from edge_assistant.assistant.assistant import Assistant
from edge_assistant.assistant.request import HOUSEHOLD
from edge_assistant.bench.goal import Goal, Result
from edge_assistant.bench.measurement import Measurement, Setting
from edge_assistant.bench.mosquitto import Mosquitto
from edge_assistant.bench.statistic import median, percentile
from edge_assistant.bench.thread import to_its_end
from edge_assistant.config import Config
from edge_assistant.errors import EdgeError, ModelError
from edge_assistant.frontends.mqtt.device import Device
from edge_assistant.frontends.mqtt.frontend import MqttFrontend
from edge_assistant.frontends.mqtt.topics import Topics
from edge_assistant.llm.unavailable import UnavailableModel
from edge_assistant.memory.conversations import Conversations
from edge_assistant.mqtt.connection import Connection
from edge_assistant.mqtt.delivery import Delivery
from edge_assistant.mqtt.seen import SeenCommands
from edge_assistant.store.database import Database
from edge_assistant.store.outbox import Outbox

KILLS, SENT = 50, 2_000
WAIT_SECONDS = 60.0
"""How long what was sent may take to arrive after the last kill."""

LOST = Goal(
    metric="commands and announcements lost while the broker was killed and restarted 50 times",
    unit="messages",
    text="broker killed and restarted 50 times during 2,000 commands and announcements: none lost",
    at_most=0,
)
TWICE = Goal(
    metric="commands and announcements done twice meanwhile",
    unit="messages",
    text="broker killed and restarted 50 times during 2,000 commands and announcements: none done twice",
    at_most=0,
)
RECONNECTED = Goal(
    metric="longest time from the broker's return until both devices were back",
    unit="s",
    text="reconnected ≤ 5 s each time",
    at_most=5.0,
)


class Still:
    """The configuration of a device that nobody changes."""

    config = Config()

    async def change(self, choices: dict[str, str]) -> None:
        """Change nothing."""

    def on_change(self, apply: Callable[[Config, Config], Awaitable[None]]) -> None:
        """Tell nothing."""


class Status:
    """What a voice is doing."""

    phase, muted = "idle", False


class CountingVoice:
    """Counts what it is given to say."""

    status = Status()

    def __init__(self) -> None:
        self.said: Counter[str] = Counter()

    def subscribe(self, listener: Callable[[Any], None]) -> Callable[[], None]:
        """Tell nothing."""
        del listener
        return lambda: None

    def when_woken(self, listener: Callable[[], None]) -> None:
        """Hear no wake word."""

    def mute(self, muted: bool) -> None:
        """Have no microphone."""

    def hush(self) -> None:
        """Say nothing that could be stopped."""

    async def announce(self, text: str, *, sign: bool = True) -> str:
        """Count it."""
        del sign
        self.said[text] += 1
        await asyncio.sleep(0)
        return "drained"


class Party:
    """One device on the broker."""

    def __init__(self, name: str, mosquitto: Mosquitto, database: Database) -> None:
        self.name = name
        self.connection = Connection(mosquitto.broker, name)
        self.outbox = Outbox(database)
        topics = Topics(name)
        self.delivery = Delivery(self.connection, self.outbox, topics["ack"])
        self.voice = CountingVoice()
        model = UnavailableModel("none", ModelError("MODEL_MISSING", "not needed"))
        self.assistant = Assistant(Config(), Conversations(database), model)
        self.frontend = MqttFrontend(
            self.connection, topics, self.assistant, Device(Still(), self.voice), SeenCommands(database),
            principal=HOUSEHOLD, discovery_prefix="homeassistant",
        )  # fmt: skip

    async def send(self, other: str, kind: str, text: str) -> None:
        """Hand over what another device shall do."""
        await self.delivery.post(
            f"edge-assistant/{other}/{kind}", {"text": text}, principal="household", lasts_seconds=600
        )


@asynccontextmanager
async def _party(name: str, mosquitto: Mosquitto, folder: Path) -> AsyncIterator[Party]:
    database = await Database.open(folder / name / "assistant.db", secrets.token_bytes(32))
    party = Party(name, mosquitto, database)
    await party.frontend.start()
    delivering = asyncio.create_task(party.delivery.run(), name=f"bench delivery {name}")
    try:
        yield party
    finally:
        delivering.cancel()
        await asyncio.gather(delivering, return_exceptions=True)
        await party.frontend.stop()
        await party.assistant.close()
        await database.close()


async def _storm(setting: Setting, folder: Path) -> tuple[Counter[str], int, list[float]]:
    """Return how often each message was said, how many were sent, and the times until all were back."""
    kills, sent = setting.count(KILLS, 4), setting.count(SENT, 160)
    mosquitto = Mosquitto(folder).start()
    try:
        async with _party("kitchen", mosquitto, folder) as one, _party("bedroom", mosquitto, folder) as two:
            await _both_online(one, two)
            seconds = []
            for kill in range(kills):
                numbers = range(kill * sent // kills, (kill + 1) * sent // kills)
                sending = asyncio.create_task(_send(one, two, numbers), name="bench send")
                await asyncio.sleep(random.uniform(0.05, 0.4))  # noqa: S311 - anywhere in the middle
                await to_its_end(mosquitto.kill)
                await asyncio.sleep(random.uniform(0.1, 1.5))  # noqa: S311
                await to_its_end(mosquitto.start)
                back = time.monotonic()
                await _both_online(one, two)
                seconds.append(time.monotonic() - back)
                await sending
            await _all_arrived(one, two)
            return one.voice.said + two.voice.said, sent, seconds
    finally:
        mosquitto.kill()


async def _send(one: Party, two: Party, numbers: range) -> None:
    for number in numbers:
        here, there = (one, two) if number % 2 else (two, one)
        await here.send(there.name, "say" if number % 4 < 2 else "announce", str(number))  # noqa: PLR2004


async def _both_online(one: Party, two: Party) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not (one.connection.online and two.connection.online):  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.01)


async def _all_arrived(one: Party, two: Party) -> None:
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            while await one.outbox.waiting(1) or await two.outbox.waiting(1):  # noqa: ASYNC110 - the same
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise EdgeError("BENCH_FAILED", "the outbox did not become empty") from None


def measure(setting: Setting) -> Iterator[Result]:
    """Send while the broker dies and comes back."""
    for name in ("edge_assistant.mqtt.connection", "edge_assistant.mqtt.paho"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # that the broker is gone is no news
    folder = Path(tempfile.mkdtemp(prefix="edge-assistant-bench-"))
    try:
        said, sent, seconds = asyncio.run(_storm(setting, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    note = (
        f"n={sent:,} sent both ways by two devices with a store each, {len(seconds)} times SIGKILL of "
        f"Mosquitto in their middle, 0.1 to 1.5 s without it; counted where a voice would say them"
    )
    yield LOST.measured(sent - len(said), note)
    yield TWICE.measured(sum(count - 1 for count in said.values()), note)
    spread = f"n={len(seconds)}; median {median(seconds):.2g} s, p90 {percentile(seconds, 90):.2g} s"
    yield RECONNECTED.measured(max(seconds), spread)


MEASUREMENTS = (Measurement((LOST, TWICE, RECONNECTED), measure),)
