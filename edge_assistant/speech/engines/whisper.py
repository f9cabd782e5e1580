"""Whisper through CTranslate2: whole utterances, no partial text while somebody speaks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_assistant.errors import SpeechError

_NO_SPEECH = 0.6
_UNSURE = -1.0
"""OpenAI's own thresholds (whisper/transcribe.py): a segment that is probably no speech and whose words
are unlikely is an invention of the model on noise."""


class WhisperTranscriber:
    """faster-whisper with a model of the catalogue."""

    name = "whisper"
    streaming = False

    def __init__(self, model: Path, *, language: str = "en", threads: int = 0) -> None:
        """Load the folder `model`; raises `SpeechError` ENGINE_MISSING or MODEL_CORRUPT."""
        os.environ["HF_HUB_OFFLINE"] = "1"  # its library shall never look for newer models
        try:
            from faster_whisper import WhisperModel
        except ImportError as error:
            message = "faster-whisper can't be loaded: install `[voice]`"
            raise SpeechError("ENGINE_MISSING", message) from error
        try:
            self._model = WhisperModel(
                str(model),
                device="cpu",
                compute_type="int8",
                cpu_threads=threads or max(1, len(os.sched_getaffinity(0)) // 2),
                local_files_only=True,
            )
        except (RuntimeError, OSError, ValueError) as error:
            raise SpeechError("MODEL_CORRUPT", f"{model.name} can't be loaded; pull it again") from error
        self._language = language.split("-", maxsplit=1)[0] if self._model.model.is_multilingual else "en"

    def open(self) -> WhisperHearing:
        """Begin an utterance."""
        return WhisperHearing(self._model, self._language)


class WhisperHearing:
    """Collects an utterance; `text` transcribes all of it anew."""

    def __init__(self, model: Any, language: str) -> None:
        self._model = model
        self._language = language
        self._pieces: list[bytes] = []

    def feed(self, pcm: bytes) -> str | None:
        """Keep more sound."""
        self._pieces.append(pcm)
        return None

    def text(self) -> str:
        """Return what was said so far; raises `SpeechError` TRANSCRIPTION_FAILED."""
        samples = np.frombuffer(b"".join(self._pieces), np.int16).astype(np.float32) / np.float32(32768)
        if not len(samples):
            return ""
        try:
            return self._transcribe(samples)
        except (RuntimeError, ValueError) as error:
            raise SpeechError("TRANSCRIPTION_FAILED", f"Whisper failed: {error}") from error

    def _transcribe(self, samples: NDArray[np.float32]) -> str:
        segments, _ = self._model.transcribe(
            samples,
            language=self._language,
            beam_size=1,
            temperature=0.0,
            without_timestamps=True,
            condition_on_previous_text=False,
        )
        kept = (s.text.strip() for s in segments if s.no_speech_prob < _NO_SPEECH or s.avg_logprob > _UNSURE)
        return " ".join(text for text in kept if text)
