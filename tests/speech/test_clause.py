from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_assistant.speech.clause import LONGEST_CHARACTERS, Chunk, ClauseSplitter


def chunks(text: str, *, size: int = 1) -> list[Chunk]:
    splitter = ClauseSplitter()
    found = []
    for start in range(0, len(text), size):
        found += splitter.feed(text[start : start + size])
    return found + splitter.finish()


def spoken(text: str) -> list[str]:
    return [chunk.text for chunk in chunks(text)]


def test_the_first_piece_ends_at_the_first_comma_and_later_ones_with_their_sentence() -> None:
    assert spoken(
        "The capital of France is Paris, a big city, really. It lies on the Seine, a river. Yes."
    ) == [
        "The capital of France is Paris,",
        "a big city, really.",
        "It lies on the Seine, a river.",
        "Yes.",
    ]


def test_a_short_word_before_a_comma_is_no_piece_of_its_own() -> None:
    assert spoken("Well, it is late now, I think.")[0] == "Well, it is late now,"


def test_a_short_first_sentence_is_spoken_at_once() -> None:
    assert spoken("Yes. The light is on now.") == ["Yes.", "The light is on now."]


def test_short_sentences_are_spoken_together() -> None:
    assert spoken("First of all, hello. No. Yes. Go on then.")[1:] == ["hello. No. Yes. Go on then."]


@pytest.mark.parametrize(
    "text",
    [
        "It costs $29.99 today",
        "Dr. Smith and Mr. Jones",
        "J. R. R. Tolkien wrote it",
        "About 3.5 of them",
        "For e.g. this one",
        "Look at example.com for more",
        "See (this one. That one) too",
        "Use `a, b. c` here",
        "[A link. With stops](http://a.b/c)",
    ],
)
def test_what_is_no_end_cuts_nothing(text: str) -> None:
    assert len(chunks(f"{text}.")) == 1


def test_a_number_at_the_end_waits_for_one_more_character() -> None:
    splitter = ClauseSplitter()
    assert splitter.feed("It costs $29.") == []
    assert splitter.feed(" ") == []
    assert [chunk.text for chunk in splitter.feed("T")] == ["It costs 29 dollars."]


def test_a_comma_behind_a_letter_is_not_waited_upon() -> None:
    assert [chunk.text for chunk in ClauseSplitter().feed("The light is on now,")] == ["The light is on now,"]
    assert ClauseSplitter().feed("There are more than 10,") == []


def test_items_of_a_list_are_pieces() -> None:
    assert spoken("Here is your list:\n\n1. Milk and some butter\n2. Bread and a few eggs\n") == [
        "Here is your list:",
        "1: Milk and some butter.",
        "2: Bread and a few eggs.",
    ]


def test_code_is_left_out_however_long_it_is() -> None:
    code = "x = [1, 2. 3]\n" * 500
    assert spoken(f"Do it like this.\n```python\n{code}```\nThat is all of it.") == [
        "Do it like this.",
        "That is all of it.",
    ]
    assert spoken("```\nnever closed") == []


def test_a_sentence_without_an_end_is_cut_between_words() -> None:
    pieces = chunks("word " * 300)
    assert len(pieces) > 5
    assert all(len(piece.text) <= LONGEST_CHARACTERS + 1 for piece in pieces)
    assert "".join(piece.text.strip(".") + " " for piece in pieces).split() == ["word"] * 300


def test_when_playback_runs_dry_the_best_piece_there_is_is_taken() -> None:
    splitter = ClauseSplitter()
    splitter.feed("The sun is a star. It shines on all of us, and")
    splitter.feed(" warms")
    assert [each.text for each in splitter.hurry()] == ["It shines on all of us,"]
    assert splitter.hurry() == []
    splitter.feed(" the sea and the")
    assert [each.text for each in splitter.hurry()] == ["and warms the sea,"]
    splitter.feed(" land from very far aw")
    assert [each.text for each in splitter.hurry()] == ["and the land,"]
    assert [each.text for each in splitter.finish()] == ["from very far aw."]


@given(st.text(alphabet=st.sampled_from("ab. ,!?\n`~[]()#1-*:$é。、")), st.integers(1, 7))
def test_every_character_is_in_at_most_one_piece_in_order(text: str, size: int) -> None:
    end = 0
    for chunk in chunks(text, size=size):
        assert end <= chunk.start < chunk.end <= len(text)
        assert chunk.text
        end = chunk.end


@given(st.text(alphabet=st.sampled_from("abc de. ,!?")))
def test_no_word_is_lost(text: str) -> None:
    whole = "".join(text[chunk.start : chunk.end] for chunk in chunks(text))
    letters = [each for each in text if each.isalnum()]
    assert [each for each in whole if each.isalnum()] == letters
