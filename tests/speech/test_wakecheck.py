from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_assistant.speech.wakecheck import ALLOWED, WakeCheck, cost

NABU = WakeCheck("okay_nabu")


@pytest.mark.parametrize(
    ("transcript", "command"),
    [
        ("Okay, now, Boo, turn on the light.", "turn on the light."),
        ("Okay, Naboo, what time is it?", "what time is it?"),
        ("Okay Nabu. What is on my list?", "What is on my list?"),
        ("OK now boo turn it off", "turn it off"),
        ("So okay, Nabu, stop.", "stop."),
        ("Okay, now, boot.", ""),
        ("Okay, now boom.", ""),
        ("Okay, now we'll play some music.", "play some music."),
        ("Ok now I'll be open the curtains.", "open the curtains."),
        ("Okanabu, what is the temperature?", "what is the temperature?"),
    ],
)
def test_what_whisper_makes_of_the_wake_word_is_the_wake_word(transcript: str, command: str) -> None:
    wake = NABU(transcript)
    assert (wake.confirmed, wake.rest) == (True, command)


@pytest.mark.parametrize(
    "transcript",
    [
        "Okay, bamboo. Turn on the light.",
        "Okay, new book, turn on the light.",
        "Okay, you book. What time is it?",
        "Okay Namibia, what time is it?",
        "Okay, number, what time is it?",
        "Okay, nap to turn on the light.",
        "Okay, now turn on the light.",
        "Ok Arbu, turn on the light.",
        "Okay, who knew? Turn on the light.",
        "Old kabuki, turn on the light.",
        "Hey, Nabu, turn on the light.",
        "Okay, nobody, turn on the light.",
        "Okay, Navy, turn on the light.",
        "Okay Naomi, turn on the light.",
        "A caribou, turn on the light.",
        "Okay, Google, turn on the light.",
        "turn on the light",
        "",
    ],
)
def test_what_only_sounds_like_it_is_not(transcript: str) -> None:
    wake = NABU(transcript)
    assert (wake.confirmed, wake.rest) == (False, transcript)


def test_a_sentence_of_its_own_is_not_the_wake_word_for_whoever_can_ask_the_recogniser_again() -> None:
    strict = WakeCheck("okay_nabu", strict=True)
    assert not strict("Okay, now we'll play some music.").confirmed
    assert strict("Okay, Naboo, what time is it?").rest == "what time is it?"


def test_other_wake_words_are_checked_too() -> None:
    assert WakeCheck("hey_jarvis")("Hey Jarvis, stop.").rest == "stop."
    assert WakeCheck("alexa")("Alexa, what time is it?").rest == "what time is it?"
    assert not WakeCheck("alexa")("What time is it?").confirmed
    assert WakeCheck("hey_mycroft")("Hey, Microft. Hello").confirmed


@given(st.text(alphabet="abcdeimnouwv", max_size=8), st.text(alphabet="abnu", max_size=6))
def test_equal_sounds_cost_nothing_and_others_something(heard: str, meant: str) -> None:
    assert cost(heard, heard) == 0
    assert (cost(heard, meant) == 0) == (heard == meant)
    assert cost(heard + "kkk", meant) > ALLOWED or len(meant) > 3


@given(st.text(), st.text())
def test_any_text_can_be_checked(phrase: str, transcript: str) -> None:
    wake = WakeCheck(phrase)(transcript)
    assert transcript.endswith(wake.rest)
