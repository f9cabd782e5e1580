"""Work that nobody waits for, and whether it may go on now."""

from __future__ import annotations

import asyncio


class Background:
    """Asked before each piece of such work: reading documents, making vectors, backups, tuning."""

    def __init__(self) -> None:
        self._free = asyncio.Event()
        self._free.set()

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

    async def turn(self) -> None:
        """Return when the next piece may begin."""
        await self._free.wait()
