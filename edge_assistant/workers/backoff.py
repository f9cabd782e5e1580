"""How long to wait before a worker is started again."""

from __future__ import annotations

import random

import msgspec


class RestartPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Times between restarts, in seconds."""

    first_seconds: float = 0.2
    longest_seconds: float = 30.0
    healthy_seconds: float = 60.0
    """A worker that ran this long starts from `first_seconds` again when it dies."""


class Backoff:
    """Doubles from the first to the longest wait; half of each is random.

    Jitter keeps several workers that died of one cause from coming back in step.
    """

    def __init__(self, policy: RestartPolicy) -> None:
        self._policy = policy
        self._deaths = 0

    def reset(self) -> None:
        """Begin with short waits again."""
        self._deaths = 0

    def after(self, lived_seconds: float) -> float:
        """Return the wait in seconds after a worker that was ready for `lived_seconds` died."""
        if lived_seconds >= self._policy.healthy_seconds:
            self._deaths = 0
        ceiling = min(self._policy.first_seconds * 2.0**self._deaths, self._policy.longest_seconds)
        if ceiling < self._policy.longest_seconds:
            self._deaths += 1
        return ceiling * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
