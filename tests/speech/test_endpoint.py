from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_assistant.speech.completeness import Completeness, completeness
from edge_assistant.speech.endpoint import Endpoint, EndpointSettings, Heard
from edge_assistant.speech.pace import LONGEST_SECONDS, MOST, Pace

FRAME = 0.032
VOICE, QUIET, DOUBT = 0.9, 0.05, 0.4


class Scene:
    """An utterance with time as the test lets it pass."""

    def __init__(self, settings: EndpointSettings | None = None, pace: Pace | None = None) -> None:
        self.settings = settings or EndpointSettings()
        self.now = 100.0
        self.machine = Endpoint(self.settings, self.now, pace=pace)
        self.heard: list[Heard] = []

    def sound(self, probability: float, seconds: float) -> list[Heard]:
        """Let a sound last and return what followed; stops at the end of the utterance."""
        before = len(self.heard)
        for _ in range(round(seconds / FRAME)):
            if self.machine.outcome is not None:
                break
            self.now += FRAME
            self._note(self.machine.feed(probability, self.now))
        return self.heard[before:]

    def speak(self, seconds: float = 1.0) -> list[Heard]:
        return self.sound(VOICE, seconds)

    def silence(self, seconds: float) -> list[Heard]:
        return self.sound(QUIET, seconds)

    def say(self, text: str, revision: int | None = None) -> Heard | None:
        number = self.machine.revision if revision is None else revision
        return self._note(self.machine.recognised(text, number, self.now))

    @property
    def waited(self) -> float:
        return self.now - self.machine.speech_ended

    def _note(self, heard: Heard | None) -> Heard | None:
        if heard is not None:
            self.heard.append(heard)
        return heard


def test_nobody_speaks_and_it_gives_up_after_five_seconds() -> None:
    scene = Scene()
    assert scene.silence(20) == [Heard.SILENT]
    assert scene.now - 100 == pytest.approx(5, abs=FRAME)


def test_a_click_is_no_speech() -> None:
    scene = Scene()
    for _ in range(20):
        scene.sound(VOICE, 2 * FRAME)
        scene.sound(QUIET, 0.3)
    assert scene.heard == [Heard.SILENT]


def test_speech_goes_on_through_frames_of_doubt_but_does_not_begin_with_them() -> None:
    scene = Scene()
    assert scene.sound(DOUBT, 1) == []
    assert scene.speak(0.2) == [Heard.STARTED]
    assert scene.sound(DOUBT, 1) == []
    assert scene.silence(0.3) == [Heard.PAUSED]


def test_transcription_begins_within_200_ms_of_silence() -> None:
    scene = Scene()
    scene.speak()
    assert scene.silence(0.2) == [Heard.PAUSED]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("What time is it?", 0.25),
        ("Turn on the light.", 0.3),
        ("turn on the light", 0.7),
        ("Turn on the light and", 1.6),
        ("Turn on the light and.", 1.6),
        ("Turn on the, um...", 1.6),
        ("I would like to, uh,", 1.6),
        ("Wake me at 6.", 0.3),
        ("What is 2 plus 2?", 0.25),
    ],
)
def test_the_wait_depends_on_how_finished_the_transcript_looks(text: str, seconds: float) -> None:
    scene = Scene()
    scene.speak()
    scene.silence(0.16)
    scene.say(text)
    assert scene.silence(5) == [Heard.ENDED]
    assert scene.waited == pytest.approx(seconds, abs=FRAME * 1.5)


def test_an_engine_that_heard_a_conjunction_is_believed_whatever_it_wrote() -> None:
    scene = Scene()
    scene.speak()
    scene.silence(0.16)
    scene.machine.recognised("Turn on the light in the kitchen end.", 0, scene.now, unfinished=True)
    assert scene.silence(5) == [Heard.ENDED]
    assert scene.waited == pytest.approx(1.6, abs=FRAME * 1.5)


def test_a_finished_transcript_that_comes_late_ends_the_wait_at_once() -> None:
    scene = Scene()
    scene.speak()
    scene.silence(0.5)
    assert scene.say("What time is it?") is Heard.ENDED


def test_without_a_transcript_the_usual_wait_holds() -> None:
    scene = Scene()
    scene.speak()
    assert scene.silence(5) == [Heard.PAUSED, Heard.ENDED]
    assert scene.waited == pytest.approx(0.7, abs=FRAME * 1.5)


def test_a_pause_of_a_second_after_a_conjunction_cuts_nobody_off() -> None:
    scene = Scene()
    scene.speak()
    scene.silence(0.3)
    scene.say("Turn on the light and")
    assert scene.silence(0.7) == []
    assert scene.speak() == [Heard.CONTINUED]
    scene.silence(0.3)
    scene.say("Turn on the light and close the window.")
    assert scene.silence(1) == [Heard.ENDED]


def test_what_was_made_of_the_first_half_is_void_when_speech_goes_on() -> None:
    scene = Scene()
    scene.speak()
    scene.silence(0.3)
    revision = scene.machine.revision
    scene.speak(0.5)
    assert scene.machine.revision == revision + 1
    scene.silence(0.3)
    assert scene.say("What time is it?", revision) is None
    scene.silence(0.2)
    assert scene.machine.outcome is None


def test_a_streaming_transcript_of_the_present_revision_counts_before_the_pause() -> None:
    scene = Scene()
    scene.speak()
    scene.say("what time is it?")
    scene.silence(1)
    assert scene.waited == pytest.approx(0.25, abs=FRAME * 1.5)


def test_a_click_in_a_pause_does_not_prolong_it() -> None:
    scene = Scene()
    scene.speak()
    scene.silence(0.4)
    scene.sound(VOICE, FRAME)
    assert scene.silence(0.4) == [Heard.ENDED]
    assert scene.waited == pytest.approx(0.7, abs=FRAME * 1.5)


def test_who_never_stops_is_taken_at_the_hard_cap() -> None:
    scene = Scene()
    assert scene.speak(60) == [Heard.STARTED, Heard.CUT]
    assert scene.now - 100 == pytest.approx(15, abs=FRAME)


def test_a_speaker_who_pauses_longer_gets_more_time_within_bounds() -> None:
    pace = Pace()
    for _ in range(30):
        pace.paused(0.5)
    scene = Scene(pace=pace)
    scene.speak()
    scene.silence(0.16)
    scene.say("Turn on the light.")
    scene.silence(5)
    assert scene.waited == pytest.approx(0.625, abs=FRAME * 1.5)
    for _ in range(100):
        pace.paused(2.4)
    assert pace.stretch(0.35) == pytest.approx(0.7)


def test_pauses_inside_an_utterance_are_learnt_and_its_end_is_not() -> None:
    pace = Pace()
    scene = Scene(pace=pace)
    scene.speak()
    scene.silence(0.5)
    scene.speak()
    scene.silence(5)
    assert pace.mean_seconds == pytest.approx(0.5, abs=0.15)


@given(st.lists(st.floats(0, 1000, allow_nan=False)), st.floats(0.1, 3))
def test_no_habit_changes_a_wait_beyond_its_bounds(pauses: list[float], wait: float) -> None:
    pace = Pace()
    for pause in pauses:
        pace.paused(pause)
    assert wait <= pace.stretch(wait) <= wait * MOST
    assert pace.mean_seconds is None or pace.mean_seconds <= LONGEST_SECONDS


def _steps() -> st.SearchStrategy[list[tuple[float, int, str]]]:
    texts = st.sampled_from(["", "yes.", "and", "what?", "turn on the", "…"])
    return st.lists(st.tuples(st.floats(0, 1), st.integers(1, 60), texts), max_size=60)


@given(_steps())
def test_whatever_is_heard_an_utterance_ends_once_in_time_and_in_order(
    steps: list[tuple[float, int, str]],
) -> None:
    scene = Scene()
    for probability, frames, text in steps:
        scene.sound(probability, frames * FRAME)
        if scene.machine.outcome is None:
            scene.say(text)
    scene.silence(30)
    heard, settings = scene.heard, scene.settings
    assert [each for each in heard if each.over] == heard[-1:]
    assert scene.now - 100 <= settings.longest_seconds + settings.unfinished_seconds * MOST + FRAME
    assert _in_order(iter(heard))


def _in_order(heard: Iterator[Heard]) -> bool:
    """Return whether this is STARTED, then PAUSED and CONTINUED in turn, then the end; or SILENT alone."""
    first = next(heard)
    if first is Heard.SILENT:
        return next(heard, None) is None
    paused = False
    for each in heard:
        if each.over:
            return each is Heard.CUT or (each is Heard.ENDED and paused)
        if each is not (Heard.CONTINUED if paused else Heard.PAUSED):
            return False
        paused = not paused
    return False


@pytest.mark.parametrize(
    ("text", "language", "found"),
    [
        ("", "en", Completeness.UNKNOWN),
        ("  ?! ", "en", Completeness.UNKNOWN),
        ("What is it for?", "en", Completeness.QUESTION),
        ("I want to go to", "en", Completeness.UNFINISHED),
        ("Turn the light on.", "en", Completeness.SENTENCE),
        ("Mach das Licht an und", "de-CH", Completeness.UNFINISHED),
        ("Mach das Licht an.", "de", Completeness.SENTENCE),
        ("불 켜", "ko", Completeness.UNKNOWN),
    ],
)
def test_how_finished_a_transcript_looks(text: str, language: str, found: Completeness) -> None:
    assert completeness(text, language) is found


@given(st.text(), st.text(max_size=5))
def test_any_text_in_any_language_has_an_answer(text: str, language: str) -> None:
    assert completeness(text, language) in Completeness
