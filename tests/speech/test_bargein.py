from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_assistant.speech.bargein import BargeIn, Floor, Move
from edge_assistant.speech.echo import is_echo
from edge_assistant.speech.phrase import asks_something, is_backchannel, is_stop, plain

SAID = "The capital of France is Paris, a city of about two million people on the river Seine"


def speaking(*, echo_cancelled: bool = True) -> BargeIn:
    machine = BargeIn(echo_cancelled=echo_cancelled)
    machine.said = SAID
    return machine


def paused(*, woken: bool = False, echo_cancelled: bool = True) -> BargeIn:
    machine = speaking(echo_cancelled=echo_cancelled)
    assert machine.pause(woken=woken) is Move.PAUSE
    return machine


def test_a_voice_pauses_and_words_cancel() -> None:
    machine = paused()
    assert machine.floor is Floor.PAUSED
    assert machine.words("wait", final=False) is None
    assert machine.words("wait a minute", final=False) is Move.CANCEL
    assert machine.floor is Floor.CANCELLED


@pytest.mark.parametrize("text", ["mhm", "Yeah.", "okay, right", "Uh-huh", "", "..."])
def test_a_listener_who_only_listens_gets_the_rest(text: str) -> None:
    machine = paused()
    assert machine.words(text, final=False) is None
    assert machine.words(text, final=True) is Move.RESUME
    assert machine.floor is Floor.SPEAKING


def test_after_the_wake_word_even_yes_is_meant_for_the_device() -> None:
    assert paused(woken=True).words("yes", final=True) is Move.CANCEL


def test_the_wake_word_in_a_pause_is_no_second_pause_but_means_the_device() -> None:
    machine = paused()
    assert machine.pause(woken=True) is None
    assert machine.words("yes", final=True) is Move.CANCEL


def test_its_own_words_never_take_the_floor() -> None:
    machine = paused()
    assert machine.words("capital of France is Paris", final=False) is None
    assert machine.words("the capital of France is Paris a city", final=True) is Move.RESUME


def test_without_an_echo_canceller_words_without_the_wake_word_change_nothing() -> None:
    machine = speaking(echo_cancelled=False)
    assert machine.words("what about Berlin", final=True) is None
    assert machine.floor is Floor.SPEAKING


def test_without_an_echo_canceller_the_wake_word_pauses_and_a_command_cancels() -> None:
    machine = paused(woken=True, echo_cancelled=False)
    assert machine.words("turn on the light", final=True) is Move.CANCEL


@pytest.mark.parametrize("echo_cancelled", [True, False])
def test_never_mind_ends_it_at_once(echo_cancelled: bool) -> None:
    assert speaking(echo_cancelled=echo_cancelled).words("Never mind.", final=True) is Move.CANCEL


def test_a_cancelled_answer_stays_cancelled() -> None:
    machine = paused()
    machine.words("what about Berlin", final=True)
    assert machine.pause(woken=True) is None
    assert machine.words("hello there", final=True) is None


_SAID = st.sampled_from(["", "mhm", "what is", SAID, "stop"])
_INPUT = st.one_of(
    st.tuples(st.just("pause"), st.booleans()),
    st.tuples(st.just("partial"), _SAID),
    st.tuples(st.just("final"), _SAID),
)


@given(st.lists(_INPUT), st.booleans())
def test_moves_always_fit_the_playback(inputs: list[tuple[str, Any]], echo_cancelled: bool) -> None:
    machine, playing = speaking(echo_cancelled=echo_cancelled), True
    for kind, value in inputs:
        move = machine.pause(woken=value) if kind == "pause" else machine.words(value, final=kind == "final")
        if move is Move.PAUSE:
            assert playing
            playing = False
        elif move is Move.RESUME:
            assert not playing
            playing = True
        elif move is Move.CANCEL:
            break
        assert (machine.floor is Floor.SPEAKING) == playing


@pytest.mark.parametrize("text", ["Stop", "stop!", " Never mind. ", "be quiet", "STOP IT", "That’s enough."])
def test_what_asks_for_silence(text: str) -> None:
    assert is_stop(text)


@pytest.mark.parametrize("text", ["stop the music", "don't stop", "the bus stop", "", "never", "mind"])
def test_what_does_not_ask_for_silence(text: str) -> None:
    assert not is_stop(text)


def test_stop_words_are_those_of_the_configured_language() -> None:
    assert is_stop("Hör auf!", "de-CH")
    assert not is_stop("Hör auf!", "en")
    assert not is_stop("stop", "xx")


@pytest.mark.parametrize(
    ("answer", "asks"),
    [
        ("Which room do you mean?", True),
        ("Which room? 🙂", True),
        ('Did you say **"kitchen?"**', True),
        ("Is it late? Yes, it is.", False),
        ("It is late", False),
        ("", False),
        ("どの部屋ですか？", True),
    ],
)
def test_an_answer_that_asks_something_opens_the_microphone_again(answer: str, asks: bool) -> None:
    assert asks_something(answer) is asks


@pytest.mark.parametrize(
    ("heard", "own"),
    [
        ("capital of france is Paris", True),
        ("The capitol of France is Paris, a city off about", True),
        ("river Seine", True),
        ("stop", False),
        ("France", True),
        ("turn on the light in the kitchen", False),
        ("what is the weather like tomorrow", False),
        ("", False),
        (
            f"{SAID} but no wait tell me about the weather in Berlin and what I should wear there tomorrow",
            False,
        ),
    ],
)
def test_the_device_knows_its_own_words(heard: str, own: bool) -> None:
    assert is_echo(heard, SAID) is own


@given(st.text(), st.text())
def test_echo_and_phrases_take_any_text(heard: str, said: str) -> None:
    is_echo(heard, said)
    is_backchannel(heard)
    asks_something(heard)
    assert plain(plain(heard)) == plain(heard)


def test_a_command_after_the_wake_word_counts_however_much_it_sounds_like_the_answer() -> None:
    machine = paused(woken=True, echo_cancelled=False)
    machine.said = "The light in the kitchen is on now, and the window is open."
    assert machine.words("Turn off the light in the kitchen.", final=True, addressed=True) is Move.CANCEL
