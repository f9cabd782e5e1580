"""From the rate of one side to the rate of the other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]


class Resampler:
    """A mono s16 stream at another rate; without work when both are the same."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._stream: Any = None
        if from_hz != to_hz:
            import soxr

            self._stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="int16", quality="MQ")

    def feed(self, samples: Samples, *, last: bool = False) -> Samples:
        """Return what of the stream is ready; `last` flushes what was held back."""
        if self._stream is None:
            return samples
        ready: Samples = self._stream.resample_chunk(samples, last=last)
        return ready


def resample(samples: Samples, from_hz: int, to_hz: int) -> Samples:
    """Return a whole sound at another rate."""
    return Resampler(from_hz, to_hz).feed(samples, last=True)
