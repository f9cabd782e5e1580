"""Which engines the configuration asks for, loaded when first needed, each with a reason when it can't."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from edge_assistant.catalog.catalog import find_model, load_catalog
from edge_assistant.errors import EdgeError, SpeechError
from edge_assistant.speech.engines.microwakeword import is_micro
from edge_assistant.speech.engines.vosk import VoskModel
from edge_assistant.speech.protocol import (
    Detection,
    NoiseSuppressor,
    Synthesizer,
    Transcriber,
    VoiceDetector,
    WakeDetector,
)
from edge_assistant.speech.wire import EngineRole, EngineState, SpeechSettings

T = TypeVar("T")
Tell = Callable[[EngineState], None]


class Lazy(Generic[T]):
    """An engine that is loaded when first asked for; a failure is remembered."""

    def __init__(self, role: EngineRole, name: str, load: Callable[[], T], tell: Tell) -> None:
        self._load = load
        self._tell = tell
        self._lock = threading.Lock()
        self._engine: T | None = None
        self._error: EdgeError | None = None
        self.state = EngineState(role=role, name=name, usable=True)

    def get(self) -> T:
        """Return the engine; raises the error that keeps it from working."""
        with self._lock:
            if self._error is not None:
                raise self._error
            if self._engine is None:
                self._engine = self._try()
            return self._engine

    def _try(self) -> T:
        started = time.monotonic()
        role, name = self.state.role, self.state.name
        try:
            engine = self._load()
        except EdgeError as error:
            self._error = error
            self.state = EngineState(role=role, name=name, usable=False, reason=error.message)
            raise
        else:
            took = round((time.monotonic() - started) * 1000, 1)
            self.state = EngineState(role=role, name=name, usable=True, load_ms=took)
            return engine
        finally:
            self._tell(self.state)


class Engines:
    """All engines of one worker, behind the protocols."""

    def __init__(self, settings: SpeechSettings, tell: Tell) -> None:
        self._settings = settings
        self._tell = tell
        self._models = Path(settings.models)
        self._vosk = Lazy("transcriber", "vosk-model", self._load_vosk, lambda _state: None)
        self.transcribers = [
            self._lazy("transcriber", name, _TRANSCRIBERS[name]) for name in settings.transcribers
        ]
        self.synthesizers = [
            self._lazy("synthesizer", name, _SYNTHESIZERS[name]) for name in settings.synthesizers
        ]
        self.voice = self._lazy("voice", "silero", lambda _engines: _silero())
        self.wake = self._detectors(settings.wake_words, "")
        self.stop = self._detectors(settings.stop_words, " for stop words")
        self.noise: Lazy[NoiseSuppressor] | None = (
            self._lazy("noise", "webrtc", lambda _engines: _webrtc()) if settings.noise_suppression else None
        )

    @property
    def states(self) -> tuple[EngineState, ...]:
        """How each of them is."""
        engines: list[Lazy[Any]] = [
            *self.wake,
            *self.stop,
            self.voice,
            *self.transcribers,
            *self.synthesizers,
        ]
        if self.noise is not None:
            engines.append(self.noise)
        return tuple(each.state for each in engines)

    @staticmethod
    def detector(engines: Iterable[Lazy[WakeDetector]]) -> WakeDetector | None:
        """Return what listens for the words of all that can be used; None when nothing does."""
        usable = []
        for each in engines:
            try:
                usable.append(each.get())
            except EdgeError:
                continue  # told by its state
        return _Several(usable) if len(usable) > 1 else next(iter(usable), None)

    def _detectors(self, words: Sequence[str], what_for: str) -> list[Lazy[WakeDetector]]:
        micro = [word for word in words if is_micro(word)]
        phrases = [word for word in words if not is_micro(word)]
        detectors: list[Lazy[WakeDetector]] = []
        if micro:
            name = f"microwakeword{what_for}"
            detectors.append(self._lazy("wake", name, lambda own: own._micro(micro)))  # noqa: SLF001
        if phrases:
            detectors.append(self._lazy("wake", f"vosk{what_for}", lambda own: own._phrases(phrases)))  # noqa: SLF001
        return detectors

    def _lazy(self, role: EngineRole, name: str, load: Callable[[Engines], T]) -> Lazy[T]:
        return Lazy(role, name, lambda: load(self), self._tell)

    def _micro(self, words: Sequence[str]) -> WakeDetector:
        from edge_assistant.speech.engines.microwakeword import MicroWakeDetector

        return MicroWakeDetector(words, self._settings.wake_threshold)

    def _phrases(self, phrases: Sequence[str]) -> WakeDetector:
        from edge_assistant.speech.engines.vosk import VoskPhraseDetector

        return VoskPhraseDetector(self._vosk.get(), phrases)

    def _load_vosk(self) -> VoskModel:
        if not self._settings.vosk_model:
            raise SpeechError("ENGINE_MISSING", "set voice.vosk_model for the engine `vosk` and wake phrases")
        return VoskModel(self._folder(self._settings.vosk_model))

    def vosk(self) -> Transcriber:
        """Load Vosk's transcriber."""
        from edge_assistant.speech.engines.vosk import VoskTranscriber

        return VoskTranscriber(self._vosk.get())

    def whisper(self) -> Transcriber:
        """Load Whisper."""
        from edge_assistant.speech.engines.whisper import WhisperTranscriber

        settings = self._settings
        return WhisperTranscriber(self._folder(settings.transcriber_model), language=settings.language)

    def remote_transcriber(self) -> Transcriber:
        """Prepare the remote transcriber."""
        from edge_assistant.speech.engines.remote import RemoteTranscriber

        own = self._settings
        return RemoteTranscriber(own.remote_url, own.remote_model, own.remote_key, own.language)

    def piper(self) -> Synthesizer:
        """Load Piper with the configured voice."""
        from edge_assistant.speech.engines.piper import PiperSynthesizer

        return PiperSynthesizer(lambda voice: find_model(voice, self._models), self._settings.voice)

    def espeak(self) -> Synthesizer:
        """Find espeak-ng."""
        from edge_assistant.speech.engines.espeak import EspeakSynthesizer

        return EspeakSynthesizer(self._settings.language)

    def remote_synthesizer(self) -> Synthesizer:
        """Prepare the remote synthesizer."""
        from edge_assistant.speech.engines.remote import RemoteSynthesizer

        own = self._settings
        return RemoteSynthesizer(own.remote_url, own.remote_model, own.remote_key)

    def _folder(self, model: str) -> Path:
        """Return the folder of a catalogue model, or the path that is named."""
        if "/" in model:
            return Path(model).expanduser()
        find_model(model, self._models)  # raises when it is missing or damaged
        return load_catalog().model(model).folder(self._models)


_TRANSCRIBERS: dict[str, Callable[[Engines], Transcriber]] = {
    "whisper": Engines.whisper,
    "vosk": Engines.vosk,
    "openai": Engines.remote_transcriber,
}
_SYNTHESIZERS: dict[str, Callable[[Engines], Synthesizer]] = {
    "piper": Engines.piper,
    "espeak": Engines.espeak,
    "openai": Engines.remote_synthesizer,
}


class _Several:
    """Detectors that hear the same stream."""

    def __init__(self, detectors: Sequence[WakeDetector]) -> None:
        self._detectors = detectors

    @property
    def suspected(self) -> str:
        """What the first that suspects anything does."""
        return next((each.suspected for each in self._detectors if each.suspected), "")

    def feed(self, pcm: bytes) -> Iterable[Detection]:
        """Feed all."""
        return [found for detector in self._detectors for found in detector.feed(pcm)]

    def tune(self, threshold: float) -> None:
        """Tune all."""
        for detector in self._detectors:
            detector.tune(threshold)

    def reset(self) -> None:
        """Reset all."""
        for detector in self._detectors:
            detector.reset()


def _silero() -> VoiceDetector:
    from edge_assistant.speech.engines.silero import SileroDetector

    return SileroDetector()


def _webrtc() -> NoiseSuppressor:
    from edge_assistant.speech.engines.noise import WebrtcSuppressor

    return WebrtcSuppressor()
