"""The speaking side of the worker: text becomes sound ahead of playback, and playback is told of."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

import msgspec
import numpy as np

from edge_assistant.errors import EdgeError, SpeechError
from edge_assistant.speech.earcons import earcon
from edge_assistant.speech.echo import is_echo
from edge_assistant.speech.heap import give_back
from edge_assistant.speech.player import Mark, Player
from edge_assistant.speech.protocol import Sound, Synthesizer
from edge_assistant.speech.resample import Samples, resample
from edge_assistant.speech.track import Piece
from edge_assistant.speech.wire import (
    Earcon,
    Event,
    SayAppend,
    SayBegin,
    SayingBegan,
    SayingEnded,
    SayingOutcome,
    SayingPaused,
    SayingProgressed,
    SayingResumed,
)

logger = logging.getLogger(__name__)

DEFAULT_RATE_HZ = 48_000

AHEAD_SECONDS = 20.0
"""So much sound of a saying may wait to be played; synthesis goes on when it gets less."""

_SILENT_SAMPLE = 160
"""Samples below this (of 32,768; -46 dB) at the edges of a piece are cut: the pauses are ours."""

_LEAD_SECONDS, _TAIL_SECONDS = 0.02, 0.14
_REMEMBERED_SECONDS = 12.0
"""How long the device's own words are known as its own after they were said."""

_MOST_CHARACTERS = 20_000


class _Saying(msgspec.Struct):
    """Text that is to be spoken."""

    id: str
    voice: str
    pieces: deque[SayAppend]
    complete: bool = False
    characters: int = 0


class Mouth:
    """Speaks. Orders may come from any thread; synthesis is done in one, marks are told by another."""

    def __init__(
        self, synthesizer: Synthesizer, tell: Callable[[Event], None], *, speed: float, volume: float
    ) -> None:
        self._synthesizer = synthesizer
        self._tell = tell
        self._speed = speed
        self._marks: queue.SimpleQueue[Mark | None] = queue.SimpleQueue()
        self.player = Player(DEFAULT_RATE_HZ, self._marks)
        self.player.set_volume(volume)
        self.wake_speaker: Callable[[], None] = lambda: None
        """Called when there is something to play; the devices put themselves here."""
        self._changed = threading.Condition()
        self._sayings: dict[str, _Saying] = {}
        """Sayings whose text is not all spoken, in the order they were begun; guarded by `_changed`."""
        self._stopping = False
        self._held = ""
        """The saying that waits until it is known whether a stop word was said; empty when none does."""
        self._lately: deque[tuple[float, str]] = deque(maxlen=40)
        """What was handed to the player lately, with the time."""
        self._threads = [
            threading.Thread(target=self._synthesize, name="mouth", daemon=True),
            threading.Thread(target=self._report, name="marks", daemon=True),
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._marks.put(None)
        for thread in self._threads:
            thread.join(2)

    def player_for(self, rate_hz: int) -> Player:
        """Return the player, for a speaker of that rate; 0 asks for the present one."""
        if rate_hz not in {0, self.player.rate_hz}:
            self.player.change_rate(rate_hz)
        return self.player

    def begin(self, order: SayBegin) -> None:
        """Line up a saying."""
        with self._changed:
            saying = _Saying(order.saying, order.voice, deque())
            others = dict(self._sayings)
            self._sayings = {saying.id: saying, **others} if order.urgent else {**others, saying.id: saying}
            self.player.begin(order.saying, interruptible=order.interruptible, urgent=order.urgent)

    def append(self, order: SayAppend) -> None:
        """Add text; a saying that grows beyond all bounds is cut off."""
        with self._changed:
            saying = self._sayings.get(order.saying)
            if saying is None or saying.complete:
                return
            saying.characters += len(order.text)
            if saying.characters <= _MOST_CHARACTERS and order.text.strip():
                saying.pieces.append(order)
                self._changed.notify_all()

    def end(self, saying_id: str) -> None:
        """Take that all text was given."""
        with self._changed:
            if (saying := self._sayings.get(saying_id)) is not None:
                saying.complete = True
                self._changed.notify_all()

    def stop_saying(self, saying_id: str, error: EdgeError | None = None) -> None:
        """Drop one saying, or all."""
        with self._changed:
            for each in [saying_id] if saying_id else list(self._sayings):
                self._sayings.pop(each, None)
            self.player.stop(saying_id, time.monotonic(), error)

    def pause(self, saying_id: str) -> None:
        """Fall silent until somebody says to go on."""
        if saying_id == self._held:
            self._held = ""
        self.player.pause(saying_id, time.monotonic())

    def hold(self, on: bool) -> None:
        """Fall silent until it is known whether that was a stop word, or go on at the interrupted word."""
        if on:
            self._held = self.player.hold(time.monotonic())
        elif self._held:
            self.player.resume(self._held, time.monotonic())
            self._held = ""
            self.wake_speaker()

    def sign(self, name: Earcon) -> None:
        """Play an earcon."""
        self.player.sign(earcon(name, self.player.rate_hz))
        self.wake_speaker()

    def said_lately(self, words: str) -> bool:
        """Tell whether these are words that the device itself has just said."""
        since = time.monotonic() - _REMEMBERED_SECONDS
        said = " ".join(text for at, text in list(self._lately) if at >= since)
        return bool(said) and is_echo(words, said)

    # --- the thread that synthesizes

    def _synthesize(self) -> None:
        while (work := self._next()) is not None:
            saying, piece = work
            if piece is None:
                self.player.complete(saying.id, time.monotonic())
                give_back()
                continue
            try:
                self._speak(saying, piece)
            except EdgeError as error:
                self.stop_saying(saying.id, error)
            except Exception:  # an engine's own fault must not silence all later sayings
                logger.exception("the synthesizer broke")
                message = "the engine that speaks broke; the journal tells why"
                self.stop_saying(saying.id, SpeechError("SYNTHESIS_FAILED", message))

    def _next(self) -> tuple[_Saying, SayAppend | None] | None:
        """Wait for the next piece of text; None as the piece says that a saying is complete."""
        with self._changed:
            while not self._stopping:
                for saying in self._sayings.values():
                    if saying.pieces:
                        if self.player.waiting_seconds(saying.id) < AHEAD_SECONDS:
                            return saying, saying.pieces.popleft()
                    elif saying.complete:
                        del self._sayings[saying.id]
                        return saying, None
                self._changed.wait(0.2 if any(each.pieces for each in self._sayings.values()) else None)
        return None

    def _speak(self, saying: _Saying, piece: SayAppend) -> None:
        first = True
        for text, part in self._sounds(saying, piece):
            rate = self.player.rate_hz
            samples = np.frombuffer(part.pcm, np.int16)
            trimmed = _trim(resample(samples, part.sample_rate_hz, rate), rate)
            characters = (piece.characters or len(piece.text)) if first else 0
            if not self.player.append(saying.id, Piece(trimmed, text, characters)):
                return
            # By now it waits to be played itself: this is when it will have been said.
            self._lately.append((time.monotonic() + self.player.waiting_seconds(saying.id), text))
            first = False
            self.wake_speaker()

    def _sounds(self, saying: _Saying, piece: SayAppend) -> Iterator[tuple[str, Sound]]:
        """Yield the sounds of a piece with the text that each stands for.

        An engine may part a piece by sentences and does not say where: such sounds are joined, so that
        the place in the text can be told from the place in the sound.
        """
        sounds = list(self._synthesizer.speak(piece.text, voice=saying.voice, speed=self._speed))
        if sounds:
            yield piece.text, Sound(b"".join(each.pcm for each in sounds), sounds[0].sample_rate_hz)

    # --- the thread that tells

    def _report(self) -> None:
        while (mark := self._marks.get()) is not None:
            if mark.kind == "drained":
                time.sleep(max(0.0, min(2.0, mark.at - time.monotonic())))
            self._tell(_event(mark))


_OUTCOMES: dict[str, SayingOutcome] = {"drained": "drained", "stopped": "stopped", "failed": "failed"}


def _event(mark: Mark) -> Event:
    match mark.kind:
        case "began":
            return SayingBegan(saying=mark.saying, at=mark.at)
        case "progressed":
            return SayingProgressed(saying=mark.saying, characters=mark.characters, seconds=mark.seconds)
        case "paused":
            return SayingPaused(saying=mark.saying, characters=mark.characters, at=mark.at)
        case "resumed":
            return SayingResumed(saying=mark.saying, at=mark.at)
        case _:
            return SayingEnded(
                saying=mark.saying,
                outcome=_OUTCOMES[mark.kind],
                characters=mark.characters,
                seconds=mark.seconds,
                at=mark.at,
                code=mark.error.code if mark.error else "",
                message=mark.error.message if mark.error else "",
            )


def _trim(samples: Samples, rate_hz: int) -> Samples:
    """Return a piece with our own short pauses at its edges instead of the engine's."""
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > _SILENT_SAMPLE)
    if not len(loud):
        return samples
    first = max(0, int(loud[0]) - round(_LEAD_SECONDS * rate_hz))
    tail = np.zeros(round(_TAIL_SECONDS * rate_hz), np.int16)
    return np.concatenate([samples[first : int(loud[-1]) + 1], tail])
