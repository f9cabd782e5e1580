"""Slices of a prompt beside running answers, by arithmetic alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_assistant.llm.pacing import ALONE_SECONDS, SMALLEST_SLICE, SlicePlanner

READER_GAP = 1 / 8


def trained(*, decode: float, beside: float, alone: float = 0.003) -> SlicePlanner:
    """Return a planner that has seen a machine with these costs in seconds a token."""
    planner = SlicePlanner(largest=256)
    for _ in range(60):
        planner.measured(seconds=decode, prefilled=0, decoded=1)
        planner.measured(seconds=100 * alone, prefilled=100, decoded=0)
        planner.measured(seconds=decode + 10 * beside, prefilled=10, decoded=1)
    return planner


@given(
    st.floats(0.005, 0.05), st.floats(0.001, 0.02), st.sampled_from([1 / 8, 1 / 5]), st.integers(600, 4000)
)
def test_a_step_beside_a_reader_fits_the_gap_the_reader_allows(decode, beside, gap, remaining):
    size = trained(decode=decode, beside=beside).slice(remaining=remaining, gap_seconds=gap)
    if remaining * beside > 2 * gap and size > SMALLEST_SLICE:
        assert decode + size * beside <= gap
    assert size >= SMALLEST_SLICE


def test_a_listener_leaves_more_room_for_reading_than_a_reader():
    planner = trained(decode=0.01, beside=0.008)
    listener = planner.slice(remaining=2000, gap_seconds=1 / 5)
    assert listener > planner.slice(remaining=2000, gap_seconds=READER_GAP)


def test_a_faster_machine_reads_more_in_a_step():
    fast, slow = trained(decode=0.01, beside=0.001), trained(decode=0.01, beside=0.01)
    assert fast.slice(remaining=2000, gap_seconds=READER_GAP) > slow.slice(
        remaining=2000, gap_seconds=READER_GAP
    )


def test_a_short_question_is_read_in_one_go_though_a_reader_waits_a_little():
    planner = trained(decode=0.01, beside=0.008)
    assert planner.slice(remaining=25, gap_seconds=READER_GAP) == 25


def test_a_machine_too_slow_for_its_reader_still_reads_prompts():
    planner = trained(decode=0.3, beside=0.1)
    assert planner.slice(remaining=2000, gap_seconds=READER_GAP) == SMALLEST_SLICE


def test_alone_a_step_stays_short_enough_to_hear_a_stop():
    planner = trained(decode=0.01, beside=0.008, alone=0.01)
    size = planner.slice(remaining=4000, gap_seconds=None)
    assert size * 0.01 <= ALONE_SECONDS * 1.05


@pytest.mark.parametrize("remaining", [1, 3])
def test_no_more_is_read_than_there_is(remaining):
    planner = trained(decode=0.01, beside=0.008)
    assert planner.slice(remaining=remaining, gap_seconds=READER_GAP) == remaining
    assert planner.slice(remaining=remaining, gap_seconds=None) == remaining


def test_a_fixed_slice_is_kept_for_measurements():
    planner = SlicePlanner(largest=256, fixed=16)
    assert planner.slice(remaining=2000, gap_seconds=READER_GAP) == 16
