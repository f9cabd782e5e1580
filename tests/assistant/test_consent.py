"""What counts as a yes: nothing but a yes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_assistant.assistant.consent import consent, spoken_pin


@pytest.mark.parametrize("text", ["Yes.", "yes, please!", "OK", "Go ahead", "Ja, bitte.", "  JA  ", "do it"])
def test_a_yes(text):
    assert consent(text) is True


@pytest.mark.parametrize("text", ["No", "no, thanks", "Don't!", "Nein.", "Never mind", "Stopp"])
def test_a_no(text):
    assert consent(text) is False


@pytest.mark.parametrize(
    "text",
    [
        "yes but not the front door",
        "yesterday",
        "is it ok?",
        "not yes",
        "",
        "yes " * 30,
        "open it",
        "ja nein",
    ],
)
def test_anything_else_is_neither(text):
    assert consent(text) is None


@given(st.text(max_size=200))
def test_no_text_breaks_it(text):
    assert consent(text) in {True, False, None}
    assert spoken_pin(text) == "" or spoken_pin(text).isdigit()


@pytest.mark.parametrize(
    ("text", "pin"),
    [
        ("2468", "2468"), ("two four six eight", "2468"), ("Zwei, vier, sechs, acht.", "2468"),
        ("The PIN is 24 68", "2468"), ("2468 please", ""), ("", ""), ("unlock", ""), ("ten", ""),
    ],
)  # fmt: skip
def test_a_pin_is_digits_in_figures_or_words_and_nothing_else(text, pin):
    assert spoken_pin(text) == pin
