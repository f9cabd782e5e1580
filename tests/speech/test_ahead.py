from __future__ import annotations

import pytest

from edge_assistant.speech.ahead import RESERVE_CHARACTERS, SPEECH_CHARACTERS_PER_SECOND, Ahead
from edge_assistant.speech.speculation import ATTEMPTS, Speculation


def written(characters_per_second: float, seconds: float = 2.0) -> Ahead:
    """Return an answer that is written in tenths of a second at this pace."""
    ahead = Ahead()
    for step in range(round(seconds * 10) + 1):
        ahead.written(round(characters_per_second / 10), step / 10)
    return ahead


def test_a_fast_answer_needs_no_reserve_and_a_slow_one_does() -> None:
    assert not written(500).holds_back(0)
    slow = written(30)
    assert slow.holds_back(0)
    assert not slow.holds_back(RESERVE_CHARACTERS)


def test_an_answer_that_comes_at_once_is_not_held_back() -> None:
    ahead = Ahead()
    ahead.written(200, 1.0)
    assert not ahead.holds_back(0)


def test_hurry_helps_only_an_answer_that_is_written_faster_than_it_is_spoken() -> None:
    assert written(30).keeps_up
    assert not written(10).keeps_up


def test_what_is_left_to_say_shrinks_while_the_voice_plays() -> None:
    ahead = Ahead()
    ahead.sent(30)
    assert ahead.left_seconds(5.0) == float("inf")
    ahead.playing(10.0)
    assert ahead.left_seconds(10.0) == pytest.approx(30 / SPEECH_CHARACTERS_PER_SECOND)
    assert ahead.left_seconds(11.0) == pytest.approx(1.0)
    ahead.silent()
    assert ahead.left_seconds(99.0) == float("inf")
    ahead.playing(100.0)
    ahead.heard(20, 2.0, 100.0)
    assert ahead.left_seconds(100.0) == pytest.approx(1.0)
    assert ahead.left_seconds(100.5) == pytest.approx(0.5)


def test_preparing_stops_after_a_few_attempts_and_for_what_is_no_question() -> None:
    speculation = Speculation()
    assert not speculation.worth("Never mind.")
    assert not speculation.worth("...")
    assert speculation.worth("Turn on the light.")
    assert not speculation.worth("turn on the light")
    speculation.void()
    attempts = [speculation.worth(f"And then number {n} of them all {'x' * n * 5}") for n in range(5)]
    assert attempts.count(True) == ATTEMPTS - 1
