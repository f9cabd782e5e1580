"""How slow a source may be: one that drips keeps a device busy for ever and is given up."""

from __future__ import annotations

import msgspec

from edge_assistant.update.release import UpdateError


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait for a source."""

    silence_seconds: float = 30.0
    """The longest wait for the next byte."""
    window_seconds: float = 60.0
    """The time over which the pace is judged."""
    least_bytes_per_second: float = 1000.0
    """A line of 8 kbit/s is slow; a release over it would take weeks."""
    tries: int = 4
    """How often a cut download is taken up again."""
    pause_seconds: float = 2.0
    """The pause before it, doubled each time."""


class Pace:
    """Judges one download; time is given, in seconds."""

    def __init__(self, limits: Limits, now: float) -> None:
        self._limits = limits
        self._since = now
        self._bytes = 0

    def arrived(self, count: int, now: float) -> None:
        """Count bytes; raises UPDATE_SLOW when too few came in a whole window."""
        self._bytes += count
        seconds = now - self._since
        if seconds < self._limits.window_seconds:
            return
        if self._bytes < self._limits.least_bytes_per_second * seconds:
            raise UpdateError(
                "UPDATE_SLOW",
                f"the source sends {self._bytes / seconds:.0f} bytes/s: given up, try again later",
            )
        self._since, self._bytes = now, 0
