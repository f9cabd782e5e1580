"""Lets the tokens of a fast model travel together: no eye tells them apart, but each journey costs.

A token's way to a page takes the daemon and the page a fraction of a millisecond of the very cores
that compute the next one. So what was written within one frame of a display leaves as one piece.
A device whose tokens take longer than that never waits: there each leaves as it is made.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from edge_assistant.llm.wire import Emitted, Failed, Finished, Reply

FRAME_SECONDS = 0.016
"""How often a display of 60 Hz shows something new."""


class Departures:
    """What the scheduler emits, on its way to the daemon; owned by the worker's one thread."""

    def __init__(
        self,
        send: Callable[..., None],
        *,
        clock: Callable[[], float] = time.monotonic,
        frame: float = FRAME_SECONDS,
    ) -> None:
        self._send = send
        self._clock = clock
        self._frame = frame
        self._leaving: list[Reply] = []
        self._place: dict[str, int] = {}
        """Where in `_leaving` the last piece of an answer stands."""
        self._begun: set[str] = set()
        """Answers whose first words have left."""
        self._urgent = False
        self._left = 0.0

    def add(self, reply: Reply) -> None:
        """Take a reply; it leaves with `leave`. Only the words of an answer that has begun may wait."""
        if not isinstance(reply, Emitted):
            if isinstance(reply, Finished | Failed):
                self._begun.discard(reply.id)
                self._place.pop(reply.id, None)
            self._urgent = True
        elif reply.certainty is not None or reply.id not in self._begun:
            self._begun.add(reply.id)
            self._urgent = True  # somebody weighs it token by token, or sees the first sign of life
        elif (place := self._place.get(reply.id)) is not None:
            self._leaving[place] = _joined(self._leaving[place], reply)
            return
        else:
            self._place[reply.id] = len(self._leaving)
        self._leaving.append(reply)

    def leave(self, *, soon_more: bool) -> None:
        """Send what has waited long enough, or all of it unless `soon_more` will be made within a moment."""
        if not self._leaving:
            return
        now = self._clock()
        if soon_more and not self._urgent and now - self._left < self._frame:
            return
        self._left = now
        self._send(*self._leaving)
        self._leaving.clear()
        self._place.clear()
        self._urgent = False


def _joined(first: Reply, second: Emitted) -> Emitted:
    """Return both as one that is as old as its first token."""
    assert isinstance(first, Emitted)
    return msgspec.structs.replace(
        first, text=first.text + second.text, token_ids=first.token_ids + second.token_ids
    )
