"""One utterance by script: frames that are voice or not, and what the scribe wrote."""

from __future__ import annotations

from typing import Any

import pytest

from edge_assistant.speech.pace import Pace
from edge_assistant.speech.scribe import Note
from edge_assistant.speech.utterance import Occasion, Utterance
from edge_assistant.speech.wire import Event, TranscriptFinal

FRAME_SECONDS = 0.032


class Marked:
    """A voice detector for frames that say themselves what they are."""

    def probability(self, frame: bytes) -> float:
        return float(frame == b"voice")

    def reset(self) -> None:
        pass


class Silent:
    """A scribe that writes nothing by itself."""

    def open(self, *_: Any) -> None: ...
    def feed(self, *_: Any) -> None: ...
    def settle(self, *_: Any) -> None: ...
    def outdate(self, *_: Any) -> None: ...
    def close(self, *_: Any) -> None: ...


@pytest.mark.parametrize(
    ("occasion", "begins_at", "own"),
    [
        (Occasion(id="u", cause="asked"), 0.1, True),
        (Occasion(id="u", cause="asked"), 0.6, False),
        (Occasion(id="u", cause="asked", hold=True), 0.1, False),
        (Occasion(id="u", cause="interruption"), 0.6, True),
    ],
)
def test_who_answers_with_the_words_of_the_question_is_no_echo_of_it(
    occasion: Occasion, begins_at: float, own: bool
) -> None:
    events: list[Event] = []
    utterance = Utterance(
        occasion, 0.0, voice=Marked(), writer=Silent(), tell=events.append, pace=Pace(),
        said_lately=lambda words: words in "The kitchen or the bedroom?",
    )  # fmt: skip
    for number in range(1, round(3.0 / FRAME_SECONDS)):
        at = number * FRAME_SECONDS
        utterance.take(b"voice" if begins_at < at < begins_at + 0.5 else b"quiet", at)
    if occasion.hold:
        utterance.finish(3.0)
    utterance.note(Note(utterance="u", revision=utterance.revision, text="the bedroom", settled=True), 3.0)
    (final,) = [event for event in events if isinstance(event, TranscriptFinal)]
    assert (final.text, final.own_words) == ("the bedroom", own)
