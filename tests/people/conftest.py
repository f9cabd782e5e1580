from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge_assistant.people.people import People
from edge_assistant.people.uptime import Moment
from edge_assistant.store.database import Database


@dataclass
class Clock:
    """The wall clock and the uptime, each moved by the test."""

    now: float = 1_800_000_000.0
    up: float = 5_000.0
    boot: str = "this"

    def moment(self) -> Moment:
        return Moment(self.boot, self.up)


class Lives:
    """One device through restarts: the store stays, everything in memory is new."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path, self._key, self.clock = path, secrets.token_bytes(32), clock
        self._database: Database | None = None

    async def start(self) -> People:
        await self.stop()
        self._database = await Database.open(self._path, self._key)
        return People(self._database, clock=lambda: self.clock.now, uptime=self.clock.moment)

    async def stop(self) -> None:
        if self._database is not None:
            await self._database.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def lives(tmp_path: Path, clock: Clock) -> AsyncIterator[Lives]:
    lives = Lives(tmp_path / "assistant.db", clock)
    yield lives
    await lives.stop()


@pytest.fixture
async def people(lives: Lives) -> People:
    return await lives.start()
