"""How far speech stands out of the noise around it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

NOISY_DECIBEL = 18.0
"""Below it a room is noisy. Speech with noise 10 dB below it has 12 to 17 here, with 20 dB 22 or more."""

_FLOOR_PERCENT, _LOUD_PERCENT = 10, 95
_SILENCE = 1.0
"""Root mean square of what counts as silence, so that digital silence has a level too."""


def stands_out_decibel(frames: Iterable[bytes]) -> float:
    """Return how many dB the loud frames (s16le) are above the quiet ones; 0 when there are none."""
    levels = [_level(np.frombuffer(each, np.int16)) for each in frames]
    if not levels:
        return 0.0
    floor, loud = np.percentile(np.maximum(levels, _SILENCE), [_FLOOR_PERCENT, _LOUD_PERCENT])
    return float(20 * np.log10(loud / floor))


def _level(samples: NDArray[np.int16]) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def is_noisy(frames: Iterable[bytes]) -> bool:
    """Return whether what was said lately hardly stands out of the noise."""
    return stands_out_decibel(frames) < NOISY_DECIBEL
