"""A turn as those who watch it see it: numbered events that can be replayed, and a way to stop it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import msgspec

from edge_assistant.assistant.events import Event, TurnFailed, TurnFinished
from edge_assistant.assistant.request import Principal

FinalEvent = TurnFinished | TurnFailed

StageName = Literal["session", "retrieve", "queue", "model", "tool", "store"]
"""Waiting for the turn before it, searching, waiting for the model, its answer, a tool, storing."""


class Stage(msgspec.Struct, frozen=True):
    """What a turn spent time on; from and to are `time.monotonic`."""

    name: StageName
    began: float
    ended: float
    detail: str = ""
    """Name of the tool; never anything that somebody said."""


class Turn:
    """One question and its answer. It runs to its end whoever watches, and is never run twice.

    The assistant appends events; any number of watchers read them at their own pace from the same
    list, so a slow one holds up nobody.
    """

    def __init__(self, turn_id: str, session: str, principal: Principal, source: str = "") -> None:
        self.id = turn_id
        self.session = session
        self.principal = principal
        self.source = source
        """Which frontend it came from, see `Request`; empty when it was rebuilt from the store."""
        self.line = (principal.id, session)
        """In which order it is answered: turns of one line wait for each other."""
        self.created = time.monotonic()
        self.heard_characters: int | None = None
        """How much of the answer was heard when somebody spoke over it; None when it was read."""
        self.stopping = False
        """Whether somebody asked for its end."""
        self.accepted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the message is stored, or known already; holds the error when it is refused."""
        self.stop: Callable[[], Awaitable[None]] | None = None
        """Ends the work behind this turn early; None when there is none (any more)."""
        self.shorten: Callable[[int], Awaitable[None]] | None = None
        """Keeps only so many characters of an answer that is stored; None when nothing is stored yet."""
        self.stages: list[Stage] = []
        """Where its time went so far."""
        self._events: list[Event] = []
        self._changed = asyncio.Event()
        self._rebuilt = False

    @property
    def finished(self) -> bool:
        """Whether the last event is there."""
        return bool(self._events) and isinstance(self._events[-1], FinalEvent)

    @property
    def rebuilt(self) -> bool:
        """Whether it ended earlier and is only remembered."""
        return self._rebuilt

    @contextmanager
    def stage(self, name: StageName, detail: str = "") -> Iterator[None]:
        """Take note of how long the block takes."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.stages.append(Stage(name, began, time.monotonic(), detail))

    @property
    def last(self) -> Event | None:
        """The newest event; None before the first."""
        return self._events[-1] if self._events else None

    @property
    def history(self) -> Sequence[Event]:
        """All events so far."""
        return self._events

    @property
    def seq(self) -> int:
        """Number of the newest event; 0 before the first."""
        return len(self._events)

    async def events(self, after: int = 0) -> AsyncIterator[Event]:
        """Yield the events after number `after`: those that happened, then each as it happens.

        Ends with `TurnFinished` or `TurnFailed`. Of a turn rebuilt from the store the last event is
        always yielded, numbered after `after`: the client counted deltas that are no longer known
        one by one, and the last event holds the whole text.
        """
        seen = after
        while True:
            while seen < len(self._events):
                seen += 1
                yield self._events[seen - 1]
            if self.finished:
                break
            await self._changed.wait()
        if self._rebuilt and after >= len(self._events):
            yield msgspec.structs.replace(self._events[-1], seq=after + 1)

    async def wait(self) -> FinalEvent:
        """Return the last event when it is there."""
        while not self.finished:
            await self._changed.wait()
        last = self._events[-1]
        assert isinstance(last, FinalEvent)
        return last

    async def cancel(self, heard_characters: int | None = None) -> None:
        """Ask for the end of the turn; returns once asked, `wait` tells when it ended.

        What was said so far is stored; with `heard_characters` only that many characters of it,
        which is what a person heard before speaking over it: a voice is slower than a model, so the
        answer is usually complete by then and its stored copy is shortened. Doing it again changes
        nothing.
        """
        if self.finished and heard_characters is not None and self.shorten is not None:
            shorten, self.shorten = self.shorten, None
            await shorten(heard_characters)
        if self.finished or self.stopping:
            return
        self.stopping = True
        self.heard_characters = heard_characters
        if self.stop is not None:
            await self.stop()

    def append(self, event: Event) -> None:
        """Add the next event, whose number must be `seq + 1`, and wake every watcher at once."""
        assert event.seq == self.seq + 1
        assert not self.finished
        self._events.append(event)
        self._changed.set()  # resumes all who wait now …
        self._changed.clear()  # … and nobody twice

    def replay(self, events: list[Event]) -> None:
        """Become a turn that ended earlier, as the store remembers it."""
        self._rebuilt = True
        for event in events:
            self.append(event)
