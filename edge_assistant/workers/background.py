"""Work that nobody waits for, and whether it may go on now."""

from __future__ import annotations

import asyncio
import contextlib

PATIENCE_SECONDS = 2.0
"""A house that talks without a pause still gets a piece done this often."""


class Background:
    """Asked before each piece of such work: reading documents, making vectors, backups, tuning."""

    def __init__(self, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._free = asyncio.Event()
        self._free.set()
        self._nobody_waits = asyncio.Event()
        self._nobody_waits.set()
        self._patience_seconds = patience_seconds

    @property
    def resting(self) -> bool:
        """Whether it waits until the device is well again."""
        return not self._free.is_set()

    def rest(self) -> None:
        """Begin no further piece; one that was begun comes to its end."""
        self._free.clear()

    def go_on(self) -> None:
        """Go on."""
        self._free.set()

    def give_way(self, answering: bool) -> None:
        """Wait a little before each piece while somebody is answered; the processor is theirs."""
        (self._nobody_waits.clear if answering else self._nobody_waits.set)()

    async def turn(self) -> None:
        """Return when the next piece may begin."""
        await self._free.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience_seconds):
                await self._nobody_waits.wait()
