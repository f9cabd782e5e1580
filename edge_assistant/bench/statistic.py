"""Statistics that a few dozen samples allow: medians, percentiles, spreads."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence


def median(samples: Sequence[float]) -> float:
    """Return the middle of `samples`, of which there must be one."""
    return statistics.median(samples)


def percentile(samples: Sequence[float], percent: float) -> float:
    """Return the smallest sample that `percent` of all are not above (nearest rank, no interpolation).

    So the p99 of fewer than 100 samples is their maximum: a tail that nobody saw is not made up.
    """
    ordered = sorted(samples)
    rank = math.ceil(len(ordered) * percent / 100)
    return ordered[max(rank, 1) - 1]


def ratio(pairs: Sequence[tuple[float, float]]) -> float:
    """Return the median ratio of pairs that were measured right after each other.

    Each pair saw the same weather (temperature, neighbours), which a ratio of medians would mix.
    """
    return median([ours / theirs for ours, theirs in pairs])


def spread(samples: Sequence[float], unit: str = "") -> str:
    """Return `median (smallest to largest, n)` for a note."""
    low, high = min(samples), max(samples)
    suffix = f" {unit}" if unit else ""
    return f"{median(samples):.3g}{suffix} ({low:.3g} to {high:.3g}, n={len(samples)})"
