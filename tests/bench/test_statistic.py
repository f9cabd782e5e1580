"""Percentiles are samples that were seen; ratios are of neighbours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_assistant.bench.statistic import median, percentile, ratio, spread

SAMPLES = st.lists(st.floats(min_value=0, max_value=1e6), min_size=1, max_size=200)


@given(SAMPLES, st.floats(min_value=0, max_value=100))
def test_a_percentile_is_a_sample_with_at_least_that_share_at_or_below_it(
    samples: list[float], percent: float
) -> None:
    found = percentile(samples, percent)
    assert found in samples
    assert sum(each <= found for each in samples) >= len(samples) * percent / 100 - 1e-9
    assert sum(each < found for each in samples) <= len(samples) * percent / 100


@given(SAMPLES)
def test_percentiles_never_fall(samples: list[float]) -> None:
    found = [percentile(samples, percent) for percent in range(0, 101, 5)]
    assert found == sorted(found)
    assert (found[0], found[-1]) == (min(samples), max(samples))


def test_the_tail_of_few_samples_is_their_maximum() -> None:
    assert percentile([1.0] * 50 + [9.0], 99) == 9.0
    assert percentile([float(n) for n in range(1, 101)], 95) == 95.0


def test_the_ratio_is_the_median_of_pairs_not_a_ratio_of_medians() -> None:
    assert ratio([(1.0, 2.0), (10.0, 20.0), (3.0, 4.0)]) == 0.5


def test_a_spread_names_middle_ends_and_number() -> None:
    assert spread([3.0, 1.0, 2.0], "ms") == "2 ms (1 to 3, n=3)"
    assert median([1.0, 2.0]) == pytest.approx(1.5)
