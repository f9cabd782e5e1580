"""May a person take the floor while the device speaks? A machine without clock or microphone.

    SPEAKING -- a voice, the wake word --> PAUSED -- words for the device --> CANCELLED
        ^                                    |  `--- a stop word -----------> CANCELLED
        `---- RESUME: nothing, echo, "mhm" --'

The first sign of a person only pauses: that is quick and can be taken back. Words decide. With an
echo canceller any voice pauses; without one the device hears itself, so only the wake word and stop
words do, and what sounds like the device's own answer never counts.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from edge_assistant.speech.echo import is_echo
from edge_assistant.speech.phrase import is_backchannel, is_stop, plain


class BargeInSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Waits in seconds (LiveKit's, unless said otherwise)."""

    voice_seconds: float = 0.5
    """So much voice without a break is somebody; less is a cough."""
    patience_seconds: float = 2.0
    """A pause in which no word came ends after this; it was a false alarm."""
    wake_patience_seconds: float = 6.0
    """The same after the wake word: `no_speech_seconds` of the end of speech, and its transcription."""
    longest_seconds: float = 20.0
    """No noise, however long, keeps an answer waiting longer: the hard cap, and its transcription."""
    words: int = 2
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

    def __init__(self, settings: BargeInSettings, *, echo_cancelled: bool, language: str = "en") -> None:
        self._settings = settings
        self._echo_cancelled = echo_cancelled
        self._language = language
        self._voice_began: float | None = None
        """Since when a voice goes on; None in silence."""
        self._paused_at = 0.0
        self._deadline = 0.0
        """When a pause without words ends."""
        self._woken = False
        """The present pause was made by the wake word."""
        self.said = ""
        self.floor = Floor.SPEAKING

    def voice(self, active: bool, now: float) -> Move | None:
        """Take whether the last frame was voice; call it for each frame."""
        if not active:
            self._voice_began = None
            return self.tick(now)
        if self._voice_began is None:
            self._voice_began = now
        if self.floor is Floor.PAUSED:
            self._put_off(now)
            return self.tick(now)
        long_enough = now - self._voice_began >= self._settings.voice_seconds
        return self.pause(now) if self._echo_cancelled and long_enough else None

    def pause(self, now: float) -> Move | None:
        """Take that somebody speaks, as whoever fed the voice detector has found."""
        if self.floor is not Floor.SPEAKING:
            return None
        self.floor = Floor.PAUSED
        self._paused_at = now
        self._woken = False
        self._put_off(now)
        return Move.PAUSE

    def wake(self, now: float) -> Move | None:
        """Take the wake word."""
        move = self.pause(now)
        if self.floor is Floor.PAUSED:
            self._woken = True
            self._put_off(now)
        return move

    def stop_word(self) -> Move | None:
        """Take a stop word that a detector heard; the device's own "stop" does not count."""
        return None if is_echo("stop", self.said[-80:]) else self._cancel()

    def words(self, text: str, now: float, *, final: bool, addressed: bool = False) -> Move | None:
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
        if final or len(plain(text).split()) >= self._settings.words:
            return self._cancel()
        self._put_off(now)
        return None

    def tick(self, now: float) -> Move | None:
        """Let time pass; a pause without words ends."""
        return self._resume() if self.floor is Floor.PAUSED and now >= self._deadline else None

    def _is_noise(self, text: str) -> bool:
        """Return whether this takes nobody's floor; after the wake word even "yes" is meant for us."""
        if not plain(text) or is_echo(text, self.said):
            return True
        return not self._woken and is_backchannel(text, self._language)

    def _resume(self) -> Move | None:
        if self.floor is not Floor.PAUSED:
            return None
        self.floor = Floor.SPEAKING
        self._voice_began = None
        self._woken = False
        return Move.RESUME

    def _cancel(self) -> Move | None:
        if self.floor is Floor.CANCELLED:
            return None
        self.floor = Floor.CANCELLED
        return Move.CANCEL

    def _put_off(self, now: float) -> None:
        settings = self._settings
        patience = settings.wake_patience_seconds if self._woken else settings.patience_seconds
        self._deadline = min(now + patience, self._paused_at + settings.longest_seconds)
