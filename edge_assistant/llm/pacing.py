"""How many prompt tokens to read in one step, so that running answers keep their pace.

Pure arithmetic: times come in as arguments. Readers need a token every 1/8 s, listeners every 1/5 s;
what a step has left after their tokens belongs to prefill.
"""

from __future__ import annotations

ALONE_SECONDS = 0.5
"""Longest prefill step when nobody waits for tokens: a stop button is heard within it."""

SMALLEST_SLICE = 4
"""Below this a step costs about the same: reading would only take longer (docs/benchmarks.md)."""

_HEADROOM = 0.88
"""Share of the gap that is planned for; the rest absorbs noise of the estimate."""

_LEARNING_RATE = 0.3
_LEAST_SHARE = 0.25
"""Share of a gap that prefill gets although decoding alone already misses it: else it starves."""


class SlicePlanner:
    """Sizes prefill slices from measured cost.

    Costs are kept apart for steps with and without running answers: small batches cost several times
    more a token. Each is an exponential average that follows the growing cost of attention.
    """

    def __init__(self, *, largest: int, fixed: int = 0) -> None:
        self._largest = largest
        self._fixed = fixed
        self._beside_seconds = 0.008
        self._alone_seconds = 0.004
        self._decode_seconds = 0.01

    @property
    def prefill_tokens_per_second(self) -> float:
        """Prefill rate seen lately with nothing else running."""
        return 1 / self._alone_seconds

    def slice(self, *, remaining: int, gap_seconds: float | None) -> int:
        """Return how many of `remaining` prompt tokens to read in the next step.

        `gap_seconds` is the longest pause a running answer may make; None when none is running. A
        remainder that fits twice the gap is read in one go: a new person's first word is worth one
        longer pause.
        """
        if gap_seconds is None:
            fitting = max(SMALLEST_SLICE, int(ALONE_SECONDS / self._alone_seconds))
            return min(remaining, fitting, self._largest)
        if self._fixed:
            return min(remaining, self._fixed)
        left = max(gap_seconds * _HEADROOM - self._decode_seconds, gap_seconds * _LEAST_SHARE)
        fitting = max(SMALLEST_SLICE, int(left / self._beside_seconds))
        if remaining * self._beside_seconds <= 2 * gap_seconds:
            return min(remaining, self._largest)
        return min(remaining, fitting, self._largest)

    def measured(self, *, seconds: float, prefilled: int, decoded: int) -> None:
        """Learn from a step that read `prefilled` prompt tokens and made `decoded` answer tokens."""
        if prefilled == 0:
            self._decode_seconds = _average(self._decode_seconds, seconds)
        elif decoded == 0:
            self._alone_seconds = _average(self._alone_seconds, seconds / prefilled)
        else:
            beside = max(seconds - self._decode_seconds, 0.1 * seconds) / prefilled
            self._beside_seconds = _average(self._beside_seconds, beside)


def _average(old: float, new: float) -> float:
    return old + _LEARNING_RATE * (new - old)
