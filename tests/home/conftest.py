"""A house on a real broker."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_assistant.config.schema import Home
from edge_assistant.home.house import House
from edge_assistant.mqtt.connection import Connection, Outgoing
from edge_assistant.store.database import Database
from tests.mosquitto import Mosquitto


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    broker = Mosquitto(tmp_path).start()
    yield broker
    broker.kill()


@pytest.fixture
async def database(tmp_path):
    opened = await Database.open(tmp_path / "assistant.db", secrets.token_bytes(32))
    yield opened
    await opened.close()


async def until(holds, seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def living(broker, database, settings=None):
    """Yield a house and the devices' own connection."""
    connection, devices = Connection(broker, "assistant"), Connection(broker, "devices")
    house = House(settings or Home(), connection, database)
    await house.load()
    heard: list[tuple[str, str]] = []

    async def hear(message):
        heard.append((message.topic, message.payload.decode()))

    devices.subscribe("#", hear)
    tasks = [asyncio.create_task(work) for work in (connection.run(), devices.run(), house.run())]
    try:
        await until(lambda: connection.online and devices.online)
        house.heard, house.connection = heard, connection
        yield house, devices
        await until(lambda: not house._unsaved)
        await database.write(lambda _: None)  # behind the last that was gathered
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def publish(devices: Connection, topic: str, payload: bytes | str, *, retain: bool = True) -> None:
    await devices.publish(Outgoing(topic=topic, payload=payload, retain=retain))
