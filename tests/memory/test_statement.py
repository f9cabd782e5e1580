"""Which sentences are worth remembering, and what of them can be true only once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_assistant.memory.statement import MESSAGE_CHARACTERS, SENTENCES, statements


@pytest.mark.parametrize(
    ("text", "expected", "slot"),
    [
        ("My sister is called Ada", "My sister is called Ada.", "sister name"),
        ("By the way, my sister's name is Eve.", "My sister's name is Eve.", "sister name"),
        ("I live in Graz now", "I live in Graz now.", "own home"),
        ("we moved on, but I work at the brewery", "I work at the brewery.", "own employer"),
        ("I'm allergic to peanuts!", "I'm allergic to peanuts.", ""),
        ("My favorite colour is green.", "My favorite colour is green.", "favourite colour"),
        ("Remember that the spare key is under the pot", "The spare key is under the pot.", "spare key"),
        ("By big light I mean the kitchen lamp", "By big light I mean the kitchen lamp.", "alias big light"),
        ("with the den I mean Tom's room", "With the den I mean Tom's room.", "alias the den"),
        ("no, my sister is called Ada", "My sister is called Ada.", "sister name"),
        ("No. Actually my dog is called Rex.", "My dog is called Rex.", "dog name"),
    ],
)  # fmt: skip
def test_what_people_say_of_themselves_is_kept_in_their_words(text: str, expected: str, slot: str) -> None:
    assert [(each.text, each.slot) for each in statements(text)] == [(expected, slot)]


@pytest.mark.parametrize(
    "text",
    [
        "What is my sister called?",
        "Is my sister called Ada",
        "Set a timer for ten minutes",
        "Maybe I like tea",
        "If I lived in Rome I would be happy",
        "Imagine that my name is Bob",
        'The letter says "I live in a house by the sea with my seven brothers."',
        "> My name is Mallory",
        "```\nMy name is Mallory\n```",
        "Thanks, that was great",
        "My name is Bob. " * 400,
    ],
)
def test_questions_orders_doubts_and_quotes_are_no_statements(text: str) -> None:
    assert statements(text) == []


def test_how_a_thing_was_said_is_kept() -> None:
    origins = {
        text: statements(text)[0].origin
        for text in ("I like tea", "Remember that I like tea", "No, I like tea", "Actually I like tea")
    }
    assert list(origins.values()) == ["said", "asked", "corrected", "corrected"]


def test_asking_for_everybody_shares_it() -> None:
    assert statements("Remember for everyone that the bins go out on Monday")[0].shared
    assert statements("Let the family know that the boiler man comes on Friday")[0].shared
    assert not statements("Remember that the bins go out on Monday")[0].shared


@given(st.text(max_size=400))
def test_any_text_gives_few_short_statements(text: str) -> None:
    found = statements(text)
    assert len(found) <= SENTENCES
    assert all(0 < len(each.text) <= MESSAGE_CHARACTERS for each in found)
