"""One saying as sound: its pieces, how far it was played, and what words that was."""

from __future__ import annotations

import re

import msgspec
import numpy as np

from edge_assistant.speech.resample import Samples, resample

_BEFORE_WORD_SECONDS = 0.12
_AFTER_WORD_SECONDS = 0.04
"""Words are found by their share of the text, which is inexact: the quietest moment in this
neighbourhood is taken for their beginning."""

_QUIET_STEP_SECONDS = 0.01

_WORD_START = re.compile(r"(?:(?<=\s)|^)\S")


class Piece(msgspec.Struct, frozen=True):
    """The sound of one piece of text."""

    samples: Samples
    text: str
    characters: int
    """Characters of the answer as written that it stands for."""


class Track:
    """The sound of one saying at the speaker's rate. Not thread-safe: the player's lock guards it."""

    def __init__(self, saying: str, rate_hz: int, *, interruptible: bool = True) -> None:
        self.saying = saying
        self.interruptible = interruptible
        self.complete = False
        """No more pieces come."""
        self.paused = False
        self.began = False
        """Its first sample was handed to the speaker."""
        self._rate_hz = rate_hz
        self._pieces: list[Piece] = []
        self._position = 0
        """Samples handed out, over all pieces."""
        self._length = 0

    @property
    def waiting_seconds(self) -> float:
        """How much sound is there that was not played."""
        return (self._length - self._position) / self._rate_hz

    @property
    def seconds(self) -> float:
        """How much was played."""
        return self._position / self._rate_hz

    @property
    def finished(self) -> bool:
        """Everything was played and nothing more comes."""
        return self.complete and self._position >= self._length

    @property
    def characters(self) -> int:
        """How much of the answer as written was heard, up to the last whole word."""
        passed, done = 0, 0
        for piece in self._pieces:
            if passed + len(piece.samples) <= self._position:
                passed += len(piece.samples)
                done += piece.characters
                continue
            spoken = _word_start(piece.text, (self._position - passed) / len(piece.samples))
            return done + round(spoken / max(1, len(piece.text)) * piece.characters)
        return done

    def append(self, piece: Piece) -> None:
        """Add sound."""
        if len(piece.samples):
            self._pieces.append(piece)
            self._length += len(piece.samples)

    def change_rate(self, rate_hz: int) -> None:
        """Go on at another rate, with another speaker."""
        share = rate_hz / self._rate_hz
        self._pieces = [
            Piece(resample(each.samples, self._rate_hz, rate_hz), each.text, each.characters)
            for each in self._pieces
        ]
        self._length = sum(len(each.samples) for each in self._pieces)
        self._position = min(round(self._position * share), self._length)
        self._rate_hz = rate_hz

    def take(self, count: int) -> Samples:
        """Hand out the next `count` samples, or what there is."""
        taken = self._slice(self._position, self._position + count)
        self._position += len(taken)
        return taken

    def back_to_word(self) -> None:
        """Go back to the beginning of the word that was being spoken."""
        passed = 0
        for piece in self._pieces:
            length = len(piece.samples)
            if passed + length >= self._position:
                start = _word_start(piece.text, (self._position - passed) / length)
                guess = round(start / max(1, len(piece.text)) * length)
                self._position = min(self._position, passed + self._quietest(piece.samples, guess))
                return
            passed += length

    def _quietest(self, samples: Samples, guess: int) -> int:
        """Return the quietest moment of a piece near `guess`; 0 when that is its beginning."""
        step = max(1, round(_QUIET_STEP_SECONDS * self._rate_hz))
        first = max(0, guess - round(_BEFORE_WORD_SECONDS * self._rate_hz))
        last = min(len(samples), guess + round(_AFTER_WORD_SECONDS * self._rate_hz))
        if guess == 0 or last - first < step:
            return first
        near = samples[first : first + (last - first) // step * step].astype(np.float32).reshape(-1, step)
        return first + int(np.argmin((near * near).sum(axis=1))) * step

    def _slice(self, start: int, end: int) -> Samples:
        parts, passed = [], 0
        for piece in self._pieces:
            low, high = max(0, start - passed), min(len(piece.samples), end - passed)
            if low < high:
                parts.append(piece.samples[low:high])
            passed += len(piece.samples)
        return np.concatenate(parts) if parts else np.zeros(0, np.int16)


def _word_start(text: str, share: float) -> int:
    """Return where the word begins that is spoken when `share` (0 to 1) of the sound has passed."""
    place = share * len(text)
    return max((match.start() for match in _WORD_START.finditer(text) if match.start() <= place), default=0)
