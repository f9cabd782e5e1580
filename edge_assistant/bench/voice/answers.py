"""Whether an answer that is written slowly is spoken without gaps."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence

from edge_assistant.bench.goal import Goal, Result
from edge_assistant.bench.measurement import Measurement, Setting
from edge_assistant.bench.voice import speech
from edge_assistant.bench.voice.commands import one_breath, sentence
from edge_assistant.bench.voice.room import Room, heard, the_room
from edge_assistant.bench.voice.speech import Samples

TOKENS_PER_SECOND = 6.0
GAP_SECONDS = 0.25

GAPS = Goal(
    metric="gaps in speech longer than 250 ms inside an answer, the model at 6 tokens/s",
    unit="", text="0 in 50 answers", at_most=0,
)  # fmt: skip


def measure(setting: Setting) -> Iterator[Result]:
    """Listen to whole answers."""
    piper = speech.open_piper(setting)
    asking = [speech.say(piper, f"Okay Nabu, {sentence(each)}") for each in one_breath(setting.count(50, 1))]
    one = the_room(setting, TOKENS_PER_SECOND)
    pauses: list[list[float]] = []
    for number, question in enumerate(asking, 1):
        setting.say(f"answer {number} of {len(asking)}")
        pauses.append(pauses_in(_answer(one, question)))
    gaps = [pause for each in pauses for pause in each if pause > GAP_SECONDS]
    longest = [max(each, default=0.0) for each in pauses]
    yield GAPS.measured(
        len(gaps),
        f"in {len(asking)} answers; longest pause {1000 * max(longest):.0f} ms, "
        f"median of the longest {1000 * sorted(longest)[len(longest) // 2]:.0f} ms",
    )


def _answer(one: Room, question: Samples) -> list[float]:
    """Return when the answer to a question had sound."""
    _, asked = one.speak(question)
    one.first_sound(asked)
    one.wait_for(lambda: one.voice()["phase"] == "idle", 60)
    time.sleep(0.2)  # the recording is some milliseconds behind
    return heard(one.speaker, asked)


def pauses_in(sounding: Sequence[float]) -> list[float]:
    """Return how long it was silent between the times at which there was sound."""
    return [later - earlier for earlier, later in itertools.pairwise(sounding)]


MEASUREMENTS = (Measurement((GAPS,), measure),)
