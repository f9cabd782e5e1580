from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_assistant.speech.bargein import BargeIn, BargeInSettings, Floor, Move
from edge_assistant.speech.echo import is_echo
from edge_assistant.speech.phrase import asks_something, is_backchannel, is_stop, plain

SAID = "The capital of France is Paris, a city of about two million people on the river Seine"


def speaking(*, echo_cancelled: bool = True) -> BargeIn:
    machine = BargeIn(BargeInSettings(), echo_cancelled=echo_cancelled)
    machine.said = SAID
    return machine


def voiced(machine: BargeIn, began: float, seconds: float) -> Move | None:
    """Let a voice last; return the first move."""
    moves = [machine.voice(True, began + step / 20) for step in range(round(seconds * 20) + 1)]
    return next((move for move in moves if move), None)


def test_half_a_second_of_voice_pauses_and_words_cancel() -> None:
    machine = speaking()
    assert voiced(machine, 0, 0.6) is Move.PAUSE
    assert machine.words("wait", 1.0, final=False) is None
    assert machine.words("wait a minute", 1.2, final=False) is Move.CANCEL
    assert machine.floor is Floor.CANCELLED


def test_a_cough_pauses_nothing() -> None:
    machine = speaking()
    assert voiced(machine, 0, 0.3) is None
    assert machine.voice(False, 0.4) is None
    assert voiced(machine, 0.5, 0.3) is None
    assert machine.floor is Floor.SPEAKING


def test_a_pause_without_words_resumes_after_two_seconds_of_silence() -> None:
    machine = speaking()
    voiced(machine, 0, 0.5)
    assert machine.tick(2.4) is None
    assert machine.tick(2.5) is Move.RESUME
    assert machine.floor is Floor.SPEAKING


def test_a_loud_television_can_not_keep_an_answer_waiting_for_ever() -> None:
    assert voiced(speaking(), 0, 0.5) is Move.PAUSE
    machine = speaking()
    voiced(machine, 0, 0.5)
    moves = [machine.voice(True, 0.5 + step) for step in range(30)]
    assert Move.RESUME in moves


@pytest.mark.parametrize("text", ["mhm", "Yeah.", "okay, right", "Uh-huh", "", "..."])
def test_a_listener_who_only_listens_gets_the_rest(text: str) -> None:
    machine = speaking()
    voiced(machine, 0, 0.6)
    assert machine.words(text, 1.0, final=True) is Move.RESUME


def test_after_the_wake_word_even_yes_is_meant_for_the_device() -> None:
    machine = speaking()
    assert machine.wake(1.0) is Move.PAUSE
    assert machine.words("yes", 2.0, final=True) is Move.CANCEL


def test_its_own_words_never_take_the_floor() -> None:
    machine = speaking()
    voiced(machine, 0, 0.6)
    assert machine.words("capital of France is Paris", 1.0, final=False) is None
    assert machine.words("the capital of France is Paris a city", 1.5, final=True) is Move.RESUME


def test_without_an_echo_canceller_a_voice_changes_nothing() -> None:
    machine = speaking(echo_cancelled=False)
    assert voiced(machine, 0, 5) is None
    assert machine.words("what about Berlin", 5, final=True) is None
    assert machine.floor is Floor.SPEAKING


def test_without_an_echo_canceller_the_wake_word_pauses_and_a_command_cancels() -> None:
    machine = speaking(echo_cancelled=False)
    assert machine.wake(1) is Move.PAUSE
    assert machine.words("turn on the light", 3, final=True) is Move.CANCEL


def test_the_wake_word_without_a_command_goes_on_with_the_answer() -> None:
    machine = speaking(echo_cancelled=False)
    machine.wake(1)
    assert machine.tick(6.9) is None
    assert machine.tick(7) is Move.RESUME


@pytest.mark.parametrize("echo_cancelled", [True, False])
def test_a_stop_word_ends_it_at_once(echo_cancelled: bool) -> None:
    assert speaking(echo_cancelled=echo_cancelled).stop_word() is Move.CANCEL
    assert speaking(echo_cancelled=echo_cancelled).words("Never mind.", 1, final=True) is Move.CANCEL


def test_the_devices_own_stop_is_not_one() -> None:
    machine = speaking()
    machine.said = "Say stop to end the timer"
    assert machine.stop_word() is None
    assert machine.floor is Floor.SPEAKING


def test_a_cancelled_answer_stays_cancelled() -> None:
    machine = speaking()
    machine.stop_word()
    assert (machine.stop_word(), machine.wake(1), machine.tick(99)) == (None, None, None)
    assert machine.words("hello there", 2, final=True) is None


_INPUT = st.one_of(
    st.tuples(st.just("voice"), st.booleans()),
    st.tuples(st.just("wake"), st.none()),
    st.tuples(st.just("stop"), st.none()),
    st.tuples(st.just("tick"), st.none()),
    st.tuples(st.just("partial"), st.sampled_from(["", "mhm", "what is", SAID, "stop"])),
    st.tuples(st.just("final"), st.sampled_from(["", "mhm", "what is", SAID, "stop"])),
)


@given(st.lists(st.tuples(st.floats(0, 3), _INPUT)), st.booleans())
def test_moves_always_fit_the_playback_and_no_pause_lasts_for_ever(
    inputs: list[tuple[float, tuple[str, object]]], echo_cancelled: bool
) -> None:
    machine, now, playing = speaking(echo_cancelled=echo_cancelled), 0.0, True
    for seconds, (kind, value) in inputs:
        now += seconds
        move = {
            "voice": lambda: machine.voice(bool(value), now),  # noqa: B023 - called at once
            "wake": lambda: machine.wake(now),  # noqa: B023
            "stop": machine.stop_word,
            "tick": lambda: machine.tick(now),  # noqa: B023
            "partial": lambda: machine.words(str(value), now, final=False),  # noqa: B023
            "final": lambda: machine.words(str(value), now, final=True),  # noqa: B023
        }[kind]()
        if move is Move.PAUSE:
            assert playing
            playing = False
        elif move is Move.RESUME:
            assert not playing
            playing = True
        elif move is Move.CANCEL:
            break
        assert (machine.floor is Floor.SPEAKING) == playing
    machine.tick(now + BargeInSettings().longest_seconds)
    assert machine.floor in {Floor.SPEAKING, Floor.CANCELLED}


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
    machine = speaking(echo_cancelled=False)
    machine.said = "The light in the kitchen is on now, and the window is open."
    assert machine.wake(1) is Move.PAUSE
    assert machine.words("Turn off the light in the kitchen.", 3, final=True, addressed=True) is Move.CANCEL
