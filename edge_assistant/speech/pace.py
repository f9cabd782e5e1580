"""How long this person pauses inside a sentence, learnt while they speak."""

from __future__ import annotations

KEPT = 0.9
"""Share of the mean that one more pause leaves (LiveKit's smoothing of a speaker's pauses)."""

SHORTEST_SECONDS, LONGEST_SECONDS = 0.3, 2.5
"""Pauses outside are no habit: a stop consonant, or somebody who went to look something up."""

MARGIN = 1.25
"""A wait leaves this much room above the mean pause."""

MOST = 2.0
"""No habit makes anybody wait longer than this many times the usual wait."""


class Pace:
    """Mean pause of a speaker; None until the first one. It outlives an utterance, not the process."""

    def __init__(self) -> None:
        self.mean_seconds: float | None = None

    def paused(self, seconds: float) -> None:
        """Take a pause after which the person went on."""
        if not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
            return
        mean = self.mean_seconds
        self.mean_seconds = seconds if mean is None else KEPT * mean + (1 - KEPT) * seconds

    def stretch(self, wait_seconds: float) -> float:
        """Return the wait for this person: never shorter than usual, at most twice as long."""
        if self.mean_seconds is None:
            return wait_seconds
        return max(wait_seconds, min(self.mean_seconds * MARGIN, wait_seconds * MOST))
