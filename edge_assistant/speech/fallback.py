"""Several engines in the place of one: when the preferred one fails, the next one answers."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from edge_assistant.errors import EdgeError, SpeechError
from edge_assistant.speech.engines.registry import Lazy
from edge_assistant.speech.protocol import Hearing, Sound, Synthesizer, Transcriber, Woken

logger = logging.getLogger(__name__)


class FallbackTranscriber:
    """A transcriber around others, in order of preference."""

    name = "fallback"
    streaming = False

    def __init__(self, engines: Sequence[Lazy[Transcriber]]) -> None:
        self._engines = engines

    def load(self) -> None:
        """Load the first that can be loaded."""
        _load_first(self._engines)

    def open(self, woken: Woken | None = None) -> Hearing:
        """Begin an utterance with the first engine that works."""
        return FallbackHearing(self._engines, woken)


class FallbackHearing:
    """One utterance; its sound is kept, so that another engine can hear it from the beginning."""

    def __init__(self, engines: Sequence[Lazy[Transcriber]], woken: Woken | None = None) -> None:
        self._left = list(engines)
        self._woken = woken
        self._pieces: list[bytes] = []
        self._hearing: Hearing | None = None
        """The present engine's; None before the first and between two."""
        self._error: EdgeError = SpeechError("NO_TRANSCRIBER", "no engine that understands speech is usable")

    @property
    def unfinished(self) -> bool:
        """What the present engine says."""
        return self._hearing is not None and self._hearing.unfinished

    def feed(self, pcm: bytes) -> str | None:
        """Take more sound; return a streaming engine's new partial text."""
        self._pieces.append(pcm)
        try:
            return self._hearing.feed(pcm) if self._hearing else self._next()
        except EdgeError as error:
            return self._failed(error)

    def text(self) -> str:
        """Return what was said; raises the last engine's error when none could tell."""
        while True:
            if self._hearing is None:
                self._next()
            if self._hearing is None:
                raise self._error
            try:
                return self._hearing.text()
            except EdgeError as error:
                self._failed(error)

    def _failed(self, error: EdgeError) -> str | None:
        logger.warning("a transcriber failed: %s", error.code)
        self._error, self._hearing = error, None
        return self._next()

    def _next(self) -> str | None:
        """Have the next engine hear everything so far."""
        while self._left and self._hearing is None:
            engine = self._left.pop(0)
            try:
                hearing = engine.get().open(self._woken)
                partial = hearing.feed(b"".join(self._pieces))
            except EdgeError as error:
                self._error = error
                continue
            self._hearing = hearing
            return partial
        return None


class FallbackSynthesizer:
    """A synthesizer around others, in order of preference."""

    name = "fallback"

    def __init__(self, engines: Sequence[Lazy[Synthesizer]]) -> None:
        self._engines = engines

    def load(self) -> None:
        """Load the first that can be loaded."""
        _load_first(self._engines)

    def speak(self, text: str, *, voice: str = "", speed: float = 1.0) -> Iterator[Sound]:
        """Yield the sound of `text`; an engine that fails before its first sound is replaced.

        Raises the last engine's error, or that of one which failed in the middle.
        """
        last: EdgeError = SpeechError("NO_SYNTHESIZER", "no engine that speaks is usable")
        for engine in self._engines:
            begun = False
            try:
                for sound in engine.get().speak(text, voice=voice, speed=speed):
                    begun = True
                    yield sound
            except EdgeError as error:
                logger.warning("a synthesizer failed: %s", error.code)
                last = error
                if begun:
                    break
            else:
                return
        raise last


def _load_first(engines: Iterable[Lazy[Any]]) -> None:
    for engine in engines:
        with contextlib.suppress(EdgeError):
            engine.get()
            return
