"""Short signs, made of sine waves: nobody's recording, no file."""

from __future__ import annotations

import numpy as np

from edge_assistant.speech.resample import Samples
from edge_assistant.speech.wire import Earcon

_LOUDNESS = 0.18
_NOTE_SECONDS = 0.09
_EDGE_SECONDS = 0.012
"""Each note swells and fades so long: a hard edge is a click."""

_NOTES: dict[Earcon, tuple[float, ...]] = {
    "listening": (660.0, 880.0),
    "heard": (880.0, 660.0),
    "nothing": (440.0,),
    "error": (330.0, 262.0),
    "timer": (880.0, 1175.0, 880.0, 1175.0),
}
"""Frequencies in Hz, one after the other; rising asks, falling confirms."""


def earcon(name: Earcon, rate_hz: int) -> Samples:
    """Return a sign's sound."""
    return np.concatenate([_note(frequency, rate_hz) for frequency in _NOTES[name]])


def _note(frequency: float, rate_hz: int) -> Samples:
    count, edge = round(_NOTE_SECONDS * rate_hz), round(_EDGE_SECONDS * rate_hz)
    wave = np.sin(2 * np.pi * frequency * np.arange(count) / rate_hz)
    envelope = np.minimum(1.0, np.minimum(np.arange(count), np.arange(count)[::-1]) / edge)
    return (wave * envelope * _LOUDNESS * 32767).astype(np.int16)
