"""Waits between restarts."""

from __future__ import annotations

from edge_assistant.workers.backoff import Backoff, RestartPolicy


def test_waits_double_with_jitter_up_to_the_longest():
    backoff = Backoff(RestartPolicy())
    waits = [backoff.after(0) for _ in range(12)]
    for number, wait in enumerate(waits):
        ceiling = min(0.2 * 2**number, 30)
        assert ceiling / 2 <= wait <= ceiling


def test_a_minute_of_health_starts_over():
    backoff = Backoff(RestartPolicy())
    for _ in range(12):
        backoff.after(0)
    assert backoff.after(60) <= 0.2
    assert 0.2 <= backoff.after(0) <= 0.4


def test_a_daemon_that_runs_for_years_does_not_overflow():
    backoff = Backoff(RestartPolicy())
    assert all(backoff.after(0) <= 30 for _ in range(5000))
