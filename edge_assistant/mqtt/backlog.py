"""Messages that came and wait to be looked at: so many, and so many bytes. For more there is no room."""

from __future__ import annotations

import asyncio

from aiomqtt import Message

MOST_BYTES = 32 << 20
"""A large house's retained discovery fits; a flood does not fill the memory of a small board."""


class Backlog(asyncio.Queue[Message]):
    """A queue that is full by number or by bytes; what comes then is dropped by whoever fills it."""

    def _init(self, maxsize: int) -> None:
        super()._init(maxsize)
        self._bytes = 0

    def full(self) -> bool:
        """Whether there is no room."""
        return super().full() or self._bytes >= MOST_BYTES

    def _put(self, item: Message) -> None:
        self._bytes += _size(item)
        super()._put(item)

    def _get(self) -> Message:
        item = super()._get()
        self._bytes -= _size(item)
        return item


def _size(message: Message) -> int:
    return len(message.payload) if isinstance(message.payload, bytes) else 0
