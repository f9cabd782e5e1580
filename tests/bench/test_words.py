"""How `bench voice` counts what was understood."""

from __future__ import annotations

import pytest

from edge_assistant.bench.voice.talk import error_rate, loses_first_word, mishears_first_word


@pytest.mark.parametrize(
    "heard",
    ["", "er the heating in the hall", "the heating in the hall", "heating in the hall", "in the hall"],
)
def test_a_first_word_that_nothing_stands_for_is_lost(heard: str) -> None:
    assert loses_first_word("lower the heating in the hall", heard)


@pytest.mark.parametrize(
    "heard",
    ["Lower the heating in the hall.", "who are the heating in the hall?", "Lord, the heating and the hall"],
)
def test_a_first_word_that_was_taken_for_others_is_an_error_and_not_lost(heard: str) -> None:
    assert not loses_first_word("lower the heating in the hall", heard)


def test_an_engine_is_asked_for_the_first_word_behind_the_wake_word() -> None:
    assert not mishears_first_word("lower the heating", "Okay, now, lower the heating.")
    assert not mishears_first_word("lower the heating", "Okay, now, lower a heating.")
    assert mishears_first_word("lower the heating", "Okay, now, Lord, the heating.")
    assert mishears_first_word("lower the heating", "Okay, now, the heating.")


def test_errors_are_counted_in_words_and_what_leads_in_costs_nothing() -> None:
    assert error_rate([("close the door", "close the door"), ("open it", "open")]) == pytest.approx(1 / 5)
    assert error_rate([("close the door", "okay now boo close the door")], led_in=True) == 0
