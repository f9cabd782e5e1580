"""One answer on its way to the speaker: written text in, pieces to say out, and what was heard of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from edge_assistant.errors import EdgeError
from edge_assistant.speech.ahead import LEAD_SECONDS, Ahead
from edge_assistant.speech.clause import Chunk, ClauseSplitter
from edge_assistant.speech.wire import (
    Command,
    SayAppend,
    SayBegin,
    SayEnd,
    SayingBegan,
    SayingEnded,
    SayingPaused,
    SayingProgressed,
    SayingResumed,
    SayPause,
    SayResume,
    SayStop,
)

logger = logging.getLogger(__name__)

SayingEvent = SayingBegan | SayingProgressed | SayingPaused | SayingResumed | SayingEnded

_SOONEST_CHECK_SECONDS = 0.05


class Saying:
    """Begins when there is a first piece to say; ends with `SayingEnded`, or never began."""

    def __init__(
        self, identity: str, send: Callable[[Command], None], language: str, *, urgent: bool = False
    ) -> None:
        """`urgent` pauses what is being said, which goes on afterwards."""
        self.id = identity
        self.text = ""
        """The answer as far as it is written."""
        self.said = ""
        """What was handed to the voice so far, as it got it."""
        self.heard_characters = 0
        self.began_at: float | None = None
        """When its first sample was heard."""
        self.ended: SayingEnded | None = None
        self.paused = False
        self.stopped = False
        self.complete = False
        """No more text comes."""
        self._send = send
        self._urgent = urgent
        self._splitter = ClauseSplitter(language)
        self._ahead = Ahead()
        self._held: list[Chunk] = []
        """Pieces that wait for a reserve before the first one is spoken."""
        self._open = False
        """The worker knows it."""
        self._sent = 0
        """Characters of the answer that were handed over."""
        self._timer: asyncio.TimerHandle | None = None

    @property
    def open(self) -> bool:
        """Whether the worker knows it and it is not over."""
        return self._open and self.ended is None

    @property
    def audible(self) -> bool:
        """Whether it can be heard right now."""
        return self.began_at is not None and self.ended is None and not self.paused

    def feed(self, text: str) -> None:
        """Take more of the answer."""
        if self.stopped:
            return
        self.text += text
        self._ahead.written(len(text), _now())
        self._held += self._splitter.feed(text)
        if self._open or (self._held and not self._ahead.holds_back(self._written_behind_first())):
            self._flush()
        self._check()

    def finish(self) -> bool:
        """Take that the answer is complete; return whether any of it is or was to be heard."""
        self.complete = True
        self._stop_timer()
        if self.stopped:
            return self._open
        self._held += self._splitter.finish()
        self._flush()
        if self._open:
            self._tell(SayEnd(saying=self.id))
        return self._open

    def pause(self) -> None:
        """Fall silent and keep the rest."""
        if self.open and not self.paused:
            self.paused = True
            self._tell(SayPause(saying=self.id))

    def resume(self) -> None:
        """Go on from the word that was interrupted."""
        if self.paused and not self.stopped:
            self.paused = False
            self._tell(SayResume(saying=self.id))

    def stop(self) -> None:
        """Fall silent for good; `SayingEnded` tells what was heard."""
        self.stopped = True
        self._stop_timer()
        self._held = []
        if self.open:
            self._tell(SayStop(saying=self.id))

    def take(self, event: SayingEvent) -> None:
        """Take what the worker tells about this saying."""
        match event:
            case SayingBegan(at=at):
                self.began_at = at
                self._ahead.playing(_now())
            case SayingProgressed(characters=characters, seconds=seconds):
                self.heard_characters = characters
                self._ahead.heard(characters, seconds, _now())
            case SayingPaused(characters=characters):
                self.heard_characters = characters
                self._ahead.silent()
            case SayingResumed():
                self._ahead.playing(_now())
            case SayingEnded(characters=characters):
                self.heard_characters = characters
                self.ended = event
                self._stop_timer()
        self._check()

    def _written_behind_first(self) -> int:
        return self._splitter.pending + sum(len(chunk.text) for chunk in self._held[1:])

    def _flush(self) -> None:
        if self._held and not self._open:
            self._open = True
            self._tell(SayBegin(saying=self.id, urgent=self._urgent))
        for chunk in self._held:
            characters, self._sent = chunk.end - self._sent, chunk.end
            self.said = f"{self.said} {chunk.text}".strip()
            self._ahead.sent(characters)
            self._tell(SayAppend(saying=self.id, text=chunk.text, characters=characters))
        self._held = []

    def _check(self) -> None:
        """Hand over what there is when the voice would fall silent otherwise."""
        self._stop_timer()
        if self.complete or self.stopped or not self.audible or not self._ahead.keeps_up:
            return
        left = self._ahead.left_seconds(_now())
        if left <= LEAD_SECONDS:
            self._held += self._splitter.hurry()
            self._flush()
            return  # the next words, or what is heard, check again
        wait = max(left - LEAD_SECONDS, _SOONEST_CHECK_SECONDS)
        self._timer = asyncio.get_running_loop().call_later(wait, self._check)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tell(self, command: Command) -> None:
        try:
            self._send(command)
        except EdgeError as error:  # the worker is gone: it has told, or will, that this saying failed
            logger.info("saying %s: %s", self.id, error.code)


def _now() -> float:
    return asyncio.get_running_loop().time()
