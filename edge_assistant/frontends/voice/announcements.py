"""What the device says of its own accord: announcements, and what rings."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable

from edge_assistant.errors import SpeechError
from edge_assistant.frontends.voice.saying import Saying, SayingEvent
from edge_assistant.speech.wire import Command, Earcon, PlayEarcon, SayingEnded

logger = logging.getLogger(__name__)

MOST = 16
"""Announcements that may wait to be said."""

LONGEST = 2_000
"""Characters of one."""

Outcome = str
"""How a saying ended, as `SayingEnded.outcome` has it."""


class Announcements:
    """Hands each to the speech worker, which plays them one after the other."""

    def __init__(self, send: Callable[[Command], None], language: str, changed: Callable[[], None]) -> None:
        self._send = send
        self._language = language
        self._changed = changed
        self._numbers = itertools.count(1)
        self._open: dict[str, tuple[Saying, asyncio.Future[Outcome]]] = {}

    @property
    def audible(self) -> bool:
        """Whether one can be heard right now."""
        return any(saying.audible for saying, _ in self._open.values())

    def say(self, text: str, *, sign: Earcon | None = None, urgent: bool = False) -> asyncio.Future[Outcome]:
        """Begin to say something after an optional sign; the future tells how it ended.

        Raises `SpeechError` SAYING_TOO_LONG, SPEECH_BUSY, SPEECH_UNAVAILABLE.
        """
        if len(text) > LONGEST:
            raise SpeechError("SAYING_TOO_LONG", f"at most {LONGEST:,} characters are said at once")
        if len(self._open) >= MOST:
            raise SpeechError("SPEECH_BUSY", "too much waits to be said", retry_after=10.0)
        if sign is not None:
            self._send(PlayEarcon(earcon=sign))
        saying = Saying(f"announcement-{next(self._numbers)}", self._send, self._language, urgent=urgent)
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._open[saying.id] = (saying, future)
        saying.feed(text)
        if not saying.finish() or saying.id not in self._open:
            self._close(saying.id, "nothing")
        return future

    def take(self, event: SayingEvent) -> bool:
        """Take what the worker tells; return whether it was about one of these."""
        if event.saying not in self._open:
            return False
        saying, _ = self._open[event.saying]
        saying.take(event)
        if isinstance(event, SayingEnded):
            self._close(event.saying, event.outcome)
        self._changed()
        return True

    def stop(self) -> bool:
        """Fall silent; return whether anything was to be heard."""
        was = bool(self._open)
        for saying, _ in list(self._open.values()):
            saying.stop()
        return was

    def _close(self, name: str, outcome: Outcome) -> None:
        found = self._open.pop(name, None)
        if found is not None and not found[1].done():
            found[1].set_result(outcome)
