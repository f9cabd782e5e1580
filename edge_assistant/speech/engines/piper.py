"""Piper: a neural voice, many times faster than it speaks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge_assistant.errors import SpeechError
from edge_assistant.speech.engines.onnx import TidySession, load_onnxruntime
from edge_assistant.speech.protocol import Sound


class PiperSynthesizer:
    """Speaks with Piper voices of the catalogue; each is loaded when it first speaks.

    Piper is under the GPL: it is imported in the speech worker only, never by the daemon.
    """

    name = "piper"

    def __init__(self, folder_of: Any, voice: str, *, threads: int = 0) -> None:
        """Load `voice`; `folder_of` maps a voice's id to its model file or raises `ModelError`."""
        self._model_of = folder_of
        self._voice = voice
        self._threads = threads or max(1, len(os.sched_getaffinity(0)) // 2)
        self._voices: dict[str, Any] = {}
        self._load(voice)

    def speak(self, text: str, *, voice: str = "", speed: float = 1.0) -> Iterator[Sound]:
        """Yield one sound for each sentence; raises `SpeechError` SYNTHESIS_FAILED, `ModelError`."""
        from piper.config import SynthesisConfig

        piper = self._load(voice or self._voice)
        config = SynthesisConfig(length_scale=piper.config.length_scale / speed)
        try:
            for chunk in piper.synthesize(_plain(text), config):
                yield Sound(chunk.audio_int16_bytes, chunk.sample_rate)
        except Exception as error:  # its native parts raise what they like
            raise SpeechError("SYNTHESIS_FAILED", "Piper could not speak this text") from error

    def _load(self, voice: str) -> Any:
        if voice not in self._voices:
            self._voices[voice] = _open(self._model_of(voice), self._threads)
        return self._voices[voice]


def _open(model: Path, threads: int) -> Any:
    load_onnxruntime()
    try:
        from piper import PiperVoice
        from piper.config import PiperConfig
    except ImportError as error:
        raise SpeechError("ENGINE_MISSING", "piper-tts can't be loaded: install `[voice]`") from error
    import json

    try:
        settings = json.loads(Path(f"{model}.json").read_text(encoding="utf-8"))
        config = PiperConfig.from_dict(settings)
    except (OSError, ValueError, KeyError) as error:
        raise SpeechError("MODEL_CORRUPT", f"{model.name}.json can't be read; pull it again") from error
    return PiperVoice(session=TidySession(model, threads), config=config)


def _plain(text: str) -> str:
    # Piper reads [[...]] as phonemes: people's text is never that.
    return text.replace("[[", " ").replace("]]", " ")
