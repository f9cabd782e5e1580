"""Timers that ring aloud."""

from __future__ import annotations

import asyncio
import logging

from edge_assistant.errors import EdgeError
from edge_assistant.frontends.voice.announcements import Announcements
from edge_assistant.tools.timer import Ringing, Timer
from edge_assistant.tools.timer_words import announcement

logger = logging.getLogger(__name__)

EVERY_SECONDS = 5.0
LONGEST_SECONDS = 60.0
"""So long it is loud; afterwards it is only shown."""


class VoiceBell:
    """Gives a sign and says what it is, again and again until somebody takes note."""

    def __init__(
        self,
        announcements: Announcements,
        language: str,
        *,
        every_seconds: float = EVERY_SECONDS,
        longest_seconds: float = LONGEST_SECONDS,
    ) -> None:
        self._announcements = announcements
        self._language = language
        self._every_seconds = every_seconds
        self._longest_seconds = longest_seconds
        self._rings: dict[str, asyncio.Task[None]] = {}

    def ring(self, ringing: Ringing) -> None:
        """Begin to ring; what is long over is only told once."""
        self.still(ringing.timer)
        name = ringing.timer.id
        task = asyncio.create_task(self._ring(ringing), name=f"bell-{name}")
        self._rings[name] = task
        task.add_done_callback(lambda done: self._ended(name, done))

    def still(self, timer: Timer) -> None:
        """Stop ringing for this one."""
        if task := self._rings.pop(timer.id, None):
            task.cancel()

    def stop(self) -> bool:
        """Stop everything that rings; return whether anything did."""
        rang = bool(self._rings)
        for task in self._rings.values():
            task.cancel()
        self._rings.clear()
        return rang

    async def close(self) -> None:
        """Stop and wait."""
        tasks = list(self._rings.values())
        self.stop()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, name: str, task: asyncio.Task[None]) -> None:
        if self._rings.get(name) is task:
            del self._rings[name]

    async def _ring(self, ringing: Ringing) -> None:
        loop, text = asyncio.get_running_loop(), announcement(ringing, self._language)
        until = loop.time() + self._longest_seconds
        while True:
            try:
                await self._announcements.say(text, sign="timer", urgent=True)
            except EdgeError as error:  # the page and the broker show it all the same
                logger.info("can't ring aloud: %s", error.code)
            if ringing.missed or loop.time() >= until:
                return
            await asyncio.sleep(self._every_seconds)
