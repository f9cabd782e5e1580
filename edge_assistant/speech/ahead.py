"""How far the voice is ahead of its silence while the answer is still being written.

A voice that has said everything falls silent until the next sentence is there. From how fast the
answer is written and how fast it is spoken this tells when to hand over what there is, and how much
to hold back at the start. Characters are those of the answer as written, seconds are of sound.
"""

from __future__ import annotations

SPEECH_CHARACTERS_PER_SECOND = 15.0
"""What Piper's voices speak at their own speed; replaced by what was measured as soon as there is any."""

MEASURED_SECONDS = 1.0
"""From so much sound on, the measured pace is trusted."""

LEAD_SECONDS = 0.8
"""So long before silence the next piece must be handed over: its synthesis, and a busy processor."""

FAST = 2.5
"""Written so many times faster than spoken, an answer needs no reserve at its start."""

RESERVE_CHARACTERS = 16
"""What a slower answer has in hand, behind its first piece, when the voice begins: about a second."""


class Ahead:
    """One answer: what is written, what was handed over, what was heard."""

    def __init__(self) -> None:
        self._written = 0
        self._first_written: float | None = None
        self._last_written = 0.0
        self._sent = 0
        self._heard = 0
        self._heard_seconds = 0.0
        self._since: float | None = None
        """When `_heard` was true; None while nothing is played."""

    def written(self, characters: int, now: float) -> None:
        """Take that the answer grew."""
        if self._first_written is None:
            self._first_written = now
        else:
            self._written += characters  # the first piece came at once: it tells nothing of the pace
        self._last_written = now

    def sent(self, characters: int) -> None:
        """Take that so many more characters were handed to the voice."""
        self._sent += characters

    def playing(self, now: float) -> None:
        """Take that the voice is heard from now on."""
        self._since = now

    def silent(self) -> None:
        """Take that the voice pauses."""
        self._since = None

    def heard(self, characters: int, seconds: float, now: float) -> None:
        """Take how much was heard by now, in all."""
        self._heard, self._heard_seconds = characters, seconds
        if self._since is not None:
            self._since = now

    def left_seconds(self, now: float) -> float:
        """Return for how long the voice has something to say; for ever while it does not play."""
        if self._since is None:
            return float("inf")
        return (self._sent - self._heard) / self._speech_pace - (now - self._since)

    @property
    def keeps_up(self) -> bool:
        """Whether the answer is written faster than it is spoken: else no hurry helps."""
        return self._writing_pace > self._speech_pace

    def holds_back(self, pending: int) -> bool:
        """Return whether the first piece should wait, with so many characters written behind it."""
        return pending < RESERVE_CHARACTERS and self._writing_pace < FAST * self._speech_pace

    @property
    def _speech_pace(self) -> float:
        if self._heard_seconds < MEASURED_SECONDS or not self._heard:
            return SPEECH_CHARACTERS_PER_SECOND
        return self._heard / self._heard_seconds

    @property
    def _writing_pace(self) -> float:
        """Characters per second; infinite until there is a pace."""
        if self._first_written is None or self._last_written <= self._first_written:
            return float("inf")
        return self._written / (self._last_written - self._first_written)
