"""A real sound server, real engines, and a worker with ears and mouth on them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from edge_assistant.speech.client import SpeechClient
from edge_assistant.speech.wire import Event, Ready, SpeechSettings

E = TypeVar("E")


class Desk:
    """A worker with a record of what it told, to wait on."""

    def __init__(self, client: SpeechClient) -> None:
        self.client = client
        self.events: list[Event] = []
        self._news = asyncio.Event()
        client.subscribe(self._take)

    def _take(self, event: Event) -> None:
        self.events.append(event)
        self._news.set()

    def all(self, kind: type[E]) -> list[E]:
        """Return the events of a kind so far."""
        return [event for event in self.events if isinstance(event, kind)]

    async def wait(self, kind: type[E], seconds: float = 60, **fields: object) -> E:
        """Wait for an event of a kind with these fields, also one that has come already."""
        async with asyncio.timeout(seconds):
            while True:
                for event in self.all(kind):
                    if all(getattr(event, name) == value for name, value in fields.items()):
                        return event
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def desk(models: Path, **settings: Any) -> AsyncIterator[Desk]:
    """Run a worker; no process of it is left."""
    client = SpeechClient(SpeechSettings(models=str(models), **settings))
    one = Desk(client)
    await client.start()
    try:
        await one.wait(Ready)
        yield one
    finally:
        await client.stop()
