"""The last seconds that the microphone heard, so that nothing said before anybody listened is lost."""

from __future__ import annotations

from collections import deque

from edge_assistant.speech.protocol import FRAME_SAMPLES, SAMPLE_RATE_HZ

PREROLL_SECONDS = 3.0

FRAME_SECONDS = FRAME_SAMPLES / SAMPLE_RATE_HZ


class PreRoll:
    """Frames with the time of their end; holds `PREROLL_SECONDS`, the oldest leave first."""

    def __init__(self) -> None:
        self._frames: deque[tuple[bytes, float]] = deque(maxlen=round(PREROLL_SECONDS / FRAME_SECONDS))

    def append(self, frame: bytes, ended_at: float) -> None:
        """Keep a frame that ended at `ended_at`."""
        self._frames.append((frame, ended_at))

    def since(self, at: float) -> list[tuple[bytes, float]]:
        """Return the frames that hold sound after `at`, in order of time."""
        return [(frame, ended) for frame, ended in self._frames if ended > at]

    def clear(self) -> None:
        """Forget everything: the microphone was closed."""
        self._frames.clear()
