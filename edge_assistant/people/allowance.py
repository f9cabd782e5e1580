"""How much each person may ask: a token bucket for everyone. Pure: the time is an argument."""

from __future__ import annotations

_KEPT = 1024
"""Buckets kept; those that are full again say nothing and may go."""


class Allowance:
    """Lets each person ask `burst` times at once and `per_minute` times a minute on; 0 sets no limit."""

    def __init__(self, *, per_minute: float, burst: int) -> None:
        self._per_second = per_minute / 60
        self._burst = float(burst)
        self._buckets: dict[str, tuple[float, float]] = {}
        """What was left for a person, and when that was."""

    def take(self, person: str, now: float) -> float:
        """Take one question and return 0, or take nothing and return the seconds until one is there."""
        if self._per_second <= 0:
            return 0.0
        left = self._left(person, now)
        if left < 1:
            return (1 - left) / self._per_second
        if len(self._buckets) >= _KEPT:
            self._buckets = {who: kept for who, kept in self._buckets.items() if not self._full(who, now)}
        self._buckets[person] = (left - 1, now)
        return 0.0

    def _left(self, person: str, now: float) -> float:
        left, then = self._buckets.get(person, (self._burst, now))
        return min(self._burst, left + max(now - then, 0.0) * self._per_second)

    def _full(self, person: str, now: float) -> bool:
        return self._left(person, now) >= self._burst
