"""A continuation joined to the beginning of an answer: no word is said twice, none is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_assistant.llm.seam import Seam


def joined(before: str, *pieces: str) -> str:
    seam = Seam(before)
    return before + "".join(seam.feed(piece) for piece in pieces) + seam.finish()


BEFORE = "The capital of France is Paris. It lies on the river"


@pytest.mark.parametrize(
    "continuation",
    [
        " Seine in the north.",
        "The capital of France is Paris. It lies on the river Seine in the north.",
        "\n\nThe capital of France is Paris. It lies on the river Seine in the north.",
        "It lies on the river Seine in the north.",
        "lies on the river Seine in the north.",
    ],
)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_what_is_said_again_is_dropped(continuation, size):
    pieces = [continuation[n : n + size] for n in range(0, len(continuation), size)]
    assert joined(BEFORE, *pieces) == f"{BEFORE} Seine in the north."


def test_a_word_cut_in_two_goes_on():
    assert joined("The riv", "er Se", "ine.") == "The river Seine."


def test_a_short_repetition_is_the_model_s_own():
    assert joined("He said ha ha", " ha ha", " ha") == "He said ha ha ha ha ha"
    assert joined("0, 0, 0", ", 0, 0") == "0, 0, 0, 0, 0"


def test_an_answer_that_is_begun_anew_in_other_words_says_the_same_beginning_once():
    assert joined("I think that the sea is", "I think that the sun is hot.").count("I think that the") == 1


@given(st.text(max_size=60), st.lists(st.text(max_size=8), max_size=12))
def test_nothing_but_a_beginning_is_ever_dropped(before, pieces):
    text, whole = joined(before, *pieces), "".join(pieces)
    assert text.startswith(before)
    assert whole.endswith(text[len(before) :])


@given(st.lists(st.text(max_size=8), max_size=12))
def test_joined_to_nothing_everything_passes_at_once(pieces):
    seam = Seam("")
    assert [seam.feed(piece) for piece in pieces] == pieces
