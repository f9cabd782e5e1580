"""What stays in view of messages that were left out of the prompt."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_assistant.assistant.gist import gist, lead

CHATTER = ["Hello there, nice to see you!", "Tell me something nice about cats.", "And another one, please."]


def test_what_somebody_told_of_themselves_goes_before_small_talk() -> None:
    messages = ["My sister is called Ada. How are you today?", *CHATTER, "We meet at 18:30 at Anna's place."]
    assert gist(messages, 60) == "My sister is called Ada. We meet at 18:30 at Anna's place."


def test_of_two_things_that_cannot_both_be_so_only_the_later_stays() -> None:
    messages = ["My sister is called Eve.", *CHATTER, "No, my sister is called Ada."]
    assert "Eve" not in gist(messages, 500)
    assert "Ada" in gist(messages, 500)


def test_what_was_pasted_is_not_read_and_long_sentences_are_cut() -> None:
    assert gist(["Please mend this. ```secret = 1```"], 500) == "Please mend this."
    assert len(gist(["word " * 100], 500)) <= 162


def test_nothing_left_out_leads_nothing() -> None:
    assert lead([], 500) == ""
    assert lead(["Hi!"], 500) == ""


@given(st.lists(st.text(max_size=300), max_size=12), st.integers(0, 400))
def test_a_gist_keeps_to_its_length_and_is_always_the_same(messages: list[str], characters: int) -> None:
    made = gist(messages, characters)
    assert len(made) <= characters
    assert gist(messages, characters) == made
