"""May a person take the floor while the device speaks? A machine without clock or microphone.

    SPEAKING -- a voice, the wake word --> PAUSED -- words for the device --> CANCELLED
        ^                                    |  `--- a stop word -----------> CANCELLED
        `---- RESUME: nothing, echo, "mhm" --'

The first sign of a person only pauses: that is quick and can be taken back. Words decide, and how long they
are waited for is the end of speech's affair (endpoint.py). Without an echo canceller the device hears itself:
there the ear takes no voice for a sign, only the wake word, and what sounds like the device's own answer
never counts. A stop word that a detector knows needs no machine: the ear falls silent at once.
"""

from __future__ import annotations

from enum import Enum

from edge_assistant.speech.echo import is_echo
from edge_assistant.speech.phrase import is_backchannel, is_stop, plain

_WORDS = 2
"""So many words of an unfinished transcript are an interruption (NanoLLM)."""


class Floor(Enum):
    """Who has the floor."""

    SPEAKING = "speaking"
    PAUSED = "paused"
    CANCELLED = "cancelled"


class Move(Enum):
    """What is to be done with the playback."""

    PAUSE = "pause"
    RESUME = "resume"
    """Go on, from the beginning of the word at which it paused."""
    CANCEL = "cancel"


class BargeIn:
    """One answer being spoken. `said` is what of it was played so far, as the engine got it."""

    def __init__(self, *, echo_cancelled: bool, language: str = "en") -> None:
        self._echo_cancelled = echo_cancelled
        self._language = language
        self._woken = False
        """The present pause was made by the wake word."""
        self.said = ""
        self.floor = Floor.SPEAKING

    def pause(self, *, woken: bool) -> Move | None:
        """Take a voice, as whoever fed the voice detector has found, or the wake word."""
        if self.floor is Floor.CANCELLED:
            return None
        move = Move.PAUSE if self.floor is Floor.SPEAKING else None
        self.floor = Floor.PAUSED
        self._woken = woken
        return move

    def words(self, text: str, *, final: bool, addressed: bool = False) -> Move | None:
        """Take a transcript of what was heard since the pause, or since the answer began.

        `addressed` says that the wake word stood before it: then it is a person's, however much "turn off
        the light in the kitchen" sounds like the answer that it is on.
        """
        if self.floor is Floor.CANCELLED:
            return None
        if self._is_noise(text) and not (addressed and plain(text)):
            return self._resume() if final else None
        if is_stop(text, self._language):
            return self._cancel()
        if self.floor is Floor.SPEAKING and not self._echo_cancelled:
            return None
        return self._cancel() if final or len(plain(text).split()) >= _WORDS else None

    def _is_noise(self, text: str) -> bool:
        """Return whether this takes nobody's floor; after the wake word even "yes" is meant for us."""
        if not plain(text) or is_echo(text, self.said):
            return True
        return not self._woken and is_backchannel(text, self._language)

    def _resume(self) -> Move | None:
        if self.floor is not Floor.PAUSED:
            return None
        self.floor = Floor.SPEAKING
        return Move.RESUME

    def _cancel(self) -> Move:
        self.floor = Floor.CANCELLED
        return Move.CANCEL
