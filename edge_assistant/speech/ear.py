"""The listening side of the worker: one thread that hears every frame of the microphone.

Sound goes to the wake detector as it comes, and frame by frame into the pre-roll ring, always; to the
utterance that is open, if one is; else, while something is said and the sound server cancels echo, to a
lookout for voices.
"""

from __future__ import annotations

import itertools
import logging
import queue
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import numpy as np

from edge_assistant.speech.endpoint import EndpointSettings
from edge_assistant.speech.loudness import is_noisy
from edge_assistant.speech.pace import Pace
from edge_assistant.speech.protocol import (
    FRAME_SAMPLES,
    SAMPLE_RATE_HZ,
    Detection,
    NoiseSuppressor,
    VoiceDetector,
    WakeDetector,
    Woken,
)
from edge_assistant.speech.resample import Resampler
from edge_assistant.speech.ring import FRAME_SECONDS, PREROLL_SECONDS, PreRoll
from edge_assistant.speech.scribe import Note, Scribe
from edge_assistant.speech.utterance import Occasion, Utterance
from edge_assistant.speech.wire import (
    EndListening,
    Event,
    Level,
    Listen,
    SpeechSettings,
    StopHeard,
    WakeHeard,
    WakeMissed,
)

logger = logging.getLogger(__name__)

WAKE_SECONDS = 1.5
"""So much before a detection goes to the transcriber: the longest wake word, and half a second."""

INTERRUPTION_SECONDS = 0.6
"""The same before a voice that interrupts: it is noticed after four frames of 32 ms."""

_MOST_WAITING = 400
"""Pieces of sound that may wait for this thread, about 16 s; beyond it the oldest are dropped."""

_LEVEL_SECONDS = 0.1
_VOICE_PROBABILITY = 0.6
_VOICED_FRAMES = 4
_QUIET_DB = -96.0


class Ear:
    """Hears, and tells. Orders and notes may come from any thread; all work is done in its own."""

    def __init__(
        self,
        settings: SpeechSettings,
        scribe: Scribe,
        tell: Callable[[Event], None],
        *,
        wake: WakeDetector | None,
        voice: Callable[[], VoiceDetector],
        noise: NoiseSuppressor | None = None,
        stop: WakeDetector | None = None,
        speaking: Callable[[], bool] = lambda: False,
        audible: Callable[[], bool] = lambda: False,
        hush: Callable[[], None] = lambda: None,
        hold: Callable[[bool], None] = lambda _on: None,
        said_lately: Callable[[str], bool] = lambda _words: False,
        sign: Callable[[str], None] = lambda _earcon: None,
    ) -> None:
        """Prepare.

        `audible` tells whether something is being said: only then `stop` hears stop words, for `hush`;
        `hold` falls silent for the moment in which it is not sure yet, and goes on when there was none.
        `speaking` tells whether a voice may interrupt what is being said now, `said_lately` whether the
        device itself has just said these words, `sign` plays an earcon.
        """
        self._settings = settings
        self._scribe = scribe
        self._tell = tell
        self._wake = wake
        self._stop = stop
        self._audible = audible
        self._hush = hush
        self._hold = hold
        self._holding = False
        """What is said is held while the stop detector makes up its mind."""
        self._armed = False
        """The stop detector has heard the sound before this."""
        self._load_voice = voice
        self._voice: VoiceDetector | None = None
        """None until it is needed."""
        self._noise = noise
        self._speaking = speaking
        self._said_lately = said_lately
        self._sign = sign
        self._inbox: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._waiting = 0
        """Pieces of sound in the inbox."""
        self._dropped = 0
        self._ring = PreRoll()
        self._input: Resampler | None = None
        self._input_rate_hz = 0
        self._rest = np.zeros(0, np.int16)
        """Samples that do not fill a frame yet."""
        self._utterance: Utterance | None = None
        self._numbers = itertools.count(1)
        self._near_misses = 0
        self._pace = Pace()
        self._voiced = 0
        """Voiced frames in a row while something is said."""
        self._meter: list[np.ndarray[Any, Any]] | None = None
        """Frames since the last `Level`; None when nobody wants levels."""
        self._thread = threading.Thread(target=self._run, name="ear", daemon=True)

    # --- from other threads

    def tune(self, threshold: float) -> None:
        """Hear the wake word from this certainty on."""
        if self._wake is not None:
            self._inbox.put(partial(self._wake.tune, threshold))

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._inbox.put(None)
        self._thread.join(2)

    def hear(self, data: bytes, rate_hz: int, ended_at: float) -> None:
        """Take sound from the microphone."""
        if self._waiting >= _MOST_WAITING:
            self._dropped += 1
            return
        self._waiting += 1
        self._inbox.put(lambda: self._take(data, rate_hz, ended_at))

    def note(self, note: Note) -> None:
        """Take what the scribe wrote."""
        self._inbox.put(lambda: self._noted(note))

    def listen(self, order: Listen) -> None:
        """Open an utterance."""
        self._inbox.put(lambda: self._listen(order))

    def end_listening(self, order: EndListening) -> None:
        """Close one."""
        self._inbox.put(lambda: self._end_listening(order))

    def lose(self, code: str, message: str) -> None:
        """Take that the microphone is gone: nobody is kept listening."""
        self._inbox.put(lambda: self._lose(code, message))

    def meter(self, on: bool) -> None:
        """Tell levels, or stop that."""
        self._inbox.put(lambda: setattr(self, "_meter", [] if on else None))

    # --- in the ear's thread

    def _run(self) -> None:
        while (order := self._inbox.get()) is not None:
            try:
                order()
            except Exception:  # one bad frame or order must not make the device deaf
                logger.exception("the ear stumbled")
                self._close("failed", "EAR_FAILED", "listening failed; the journal tells why")

    def _take(self, data: bytes, rate_hz: int, ended_at: float) -> None:
        self._waiting -= 1
        if rate_hz != self._input_rate_hz or self._input is None:
            self._input, self._input_rate_hz = Resampler(rate_hz, SAMPLE_RATE_HZ), rate_hz
        new = self._input.feed(np.frombuffer(data, np.int16))
        if len(new):  # a resampler may keep what it gets
            self._listen_for_words(new.tobytes(), ended_at)
        samples = np.concatenate([self._rest, new])
        whole = len(samples) - len(samples) % FRAME_SAMPLES
        self._rest = samples[whole:]
        for start in range(0, whole, FRAME_SAMPLES):
            after = len(samples) - start - FRAME_SAMPLES
            self._frame(samples[start : start + FRAME_SAMPLES].tobytes(), ended_at - after / SAMPLE_RATE_HZ)

    def _frame(self, frame: bytes, at: float) -> None:
        if self._meter is not None:
            self._measure(self._meter, frame)
        self._ring.append(frame, at)
        if self._utterance is not None:
            self._utterance.take(frame, at)
            self._forget_if_over()
        elif self._speaking():
            self._look_out(frame, at)
        else:
            self._voiced = 0

    def _listen_for_words(self, pcm: bytes, at: float) -> None:
        """Hear wake and stop words in sound as it comes, which need not fill a frame."""
        if self._wake is not None:
            for found in self._wake.feed(self._noise.clean(pcm) if self._noise else pcm):
                self._woken(found, at)
        self._listen_for_stop(pcm, at)

    def _woken(self, found: Detection, at: float) -> None:
        woken = woken_by(found, self._ring)
        if woken is None:
            self._missed(found)
        elif not self._is_own(found.word):
            self._tell(WakeHeard(word=found.word, score=found.score, at=at))
            self._close("discarded")
            utterance = self._open(f"u{next(self._numbers)}", at, woken=woken)
            for frame, _ in self._ring.since(at - WAKE_SECONDS):
                utterance.lead_in(frame)
            self._show("listening")

    def _listen_for_stop(self, pcm: bytes, at: float) -> None:
        """Fall silent at a stop word, at once: the daemon is told afterwards."""
        if self._stop is None:
            return
        if not self._audible() and not self._holding:
            if self._armed:
                self._stop.reset()
            self._armed = False
            return
        self._armed = True
        for found in self._stop.feed(pcm):
            if found.accepted and not self._is_own(found.word):
                self._holding = False
                self._hush()
                self._tell(StopHeard(word=found.word, at=at))
                return
        suspected = bool(self._stop.suspected) and not self._is_own(self._stop.suspected)
        if suspected != self._holding:
            self._holding = suspected
            self._hold(suspected)

    def _is_own(self, word: str) -> bool:
        return self._said_lately(word.replace("_", " "))

    def _missed(self, found: Detection) -> None:
        self._near_misses += 1
        self._tell(WakeMissed(word=found.word, score=found.score, count=self._near_misses))

    def _look_out(self, frame: bytes, at: float) -> None:
        """Notice a voice while something is said."""
        loud = self._detector().probability(frame) >= _VOICE_PROBABILITY
        self._voiced = self._voiced + 1 if loud else 0
        if self._voiced < _VOICED_FRAMES:
            return
        self._voiced = 0
        began = at - INTERRUPTION_SECONDS
        utterance = self._open(f"u{next(self._numbers)}", began, interruption=True)
        self._replay(utterance, began)

    def _listen(self, order: Listen) -> None:
        self._close("discarded")
        now = time.monotonic()
        began = now - min(order.preroll_seconds, PREROLL_SECONDS)
        utterance = self._open(order.utterance, began, order=order)
        if order.preroll_seconds:
            self._replay(utterance, began)
        if order.earcon:
            self._show("listening")

    def _replay(self, utterance: Utterance, since: float) -> None:
        for frame, ended_at in self._ring.since(since):
            utterance.take(frame, ended_at)

    def _open(
        self,
        name: str,
        at: float,
        *,
        woken: Woken | None = None,
        interruption: bool = False,
        order: Listen | None = None,
    ) -> Utterance:
        settings = EndpointSettings()
        if order is not None and order.no_speech_seconds is not None:
            settings = msgspec.structs.replace(settings, no_speech_seconds=order.no_speech_seconds)
        if order is not None and order.hold:
            settings = msgspec.structs.replace(settings, longest_seconds=60.0)
        self._utterance = Utterance(
            Occasion(
                id=name,
                cause="wake" if woken else "interruption" if interruption else "asked",
                hold=order is not None and order.hold,
                woken=woken,
                endpoint=settings,
                language=self._settings.language,
            ),
            at,
            voice=self._detector(),
            writer=self._scribe,
            tell=self._tell,
            pace=self._pace,
            said_lately=self._said_lately,
        )
        return self._utterance

    def _noted(self, note: Note) -> None:
        utterance = self._utterance
        if utterance is not None and utterance.id == note.utterance:
            utterance.note(note, time.monotonic())
            self._forget_if_over()

    def _end_listening(self, order: EndListening) -> None:
        utterance = self._utterance
        if utterance is None or utterance.id != order.utterance:
            return
        if order.discard:
            utterance.end("discarded")
        else:
            utterance.finish(time.monotonic())
        self._forget_if_over()

    def _lose(self, code: str, message: str) -> None:
        self._ring.clear()
        self._rest = np.zeros(0, np.int16)
        self._input = None
        if self._wake is not None:
            self._wake.reset()
        if self._holding:  # nobody will hear whether that was a stop word
            self._holding = False
            self._hold(False)
        self._close("failed" if code else "discarded", code, message)

    def _close(self, outcome: Any, code: str = "", message: str = "") -> None:
        if self._utterance is not None:
            self._utterance.end(outcome, code, message)
            self._utterance = None

    def _forget_if_over(self) -> None:
        utterance = self._utterance
        if utterance is not None and utterance.over:
            if utterance.misheard:
                self._near_misses += 1
            self._utterance = None

    def _detector(self) -> VoiceDetector:
        if self._voice is None:
            self._voice = self._load_voice()
        return self._voice

    def _show(self, earcon: str) -> None:
        if self._settings.earcons:
            self._sign(earcon)

    def _measure(self, frames: list[np.ndarray[Any, Any]], frame: bytes) -> None:
        frames.append(np.frombuffer(frame, np.int16))
        if len(frames) * FRAME_SECONDS >= _LEVEL_SECONDS:
            sound = np.concatenate(frames).astype(np.float64) / 32768
            frames.clear()
            rms = float(np.sqrt(np.mean(sound * sound)))
            self._tell(Level(rms_db=_decibel(rms), peak_db=_decibel(float(np.max(np.abs(sound))))))


def woken_by(found: Detection, lately: PreRoll) -> Woken | None:
    """Return the wake word that opens the microphone, or None; `lately` is what was heard up to it.

    In noise the detector is unsure of most of what it hears rightly (at 10 dB it passes over every third
    wake word): there a near miss counts too, and the second look at the first transcript decides.
    """
    noisy = is_noisy(frame for frame, _ in lately.since(0.0))
    return Woken(found.word, in_noise=found.accepted and noisy) if found.accepted or noisy else None


def _decibel(value: float) -> float:
    return round(max(_QUIET_DB, 20 * float(np.log10(max(value, 1e-9)))), 1)
