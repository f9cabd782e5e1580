"""Moments that people notice: it listens, it falls silent, it waits for the rest of a sentence."""

from __future__ import annotations

import time
from collections.abc import Iterator

from edge_assistant.bench.goal import Goal, Result
from edge_assistant.bench.measurement import Measurement, Setting
from edge_assistant.bench.statistic import percentile, spread
from edge_assistant.bench.voice import speech
from edge_assistant.bench.voice.commands import one_breath, sentence
from edge_assistant.bench.voice.room import STOP_WORD, Room, the_room
from edge_assistant.bench.voice.speech import Samples
from edge_assistant.bench.voice.talk import TOKENS_PER_SECOND

TIMES = 20
PAUSE_SECONDS = 1.0
CONJUNCTIONS = ("and", "or", "but", "because")

_INTO_ANSWER_SECONDS = 1.2
"""An answer is interrupted so long after its first sound."""

_WATCHED_SECONDS = 1.5
"""An answer that goes on is heard within so much."""

LISTENING = Goal(metric="the wake word's end → listening, p95", unit="ms", text="≤ 200 ms", at_most=200)
SILENCE = Goal(metric="the stop word's end → silence, p95", unit="ms", text="≤ 300 ms", at_most=300)
CUT_OFF = Goal(
    metric="utterances with a 1 s pause after a conjunction that are cut off there",
    unit="ratio", text="≤ 0.05", at_most=0.05,
)  # fmt: skip


def measure_listening(setting: Setting) -> Iterator[Result]:
    """Say the wake word alone, each time before the device has given up on the time before.

    It is spoken anew each time: how long its last vowel fades decides more than the device does.
    """
    piper = speech.open_piper(setting)
    sounds = [speech.trimmed(speech.say(piper, "Okay Nabu.")) for _ in range(setting.count(TIMES, 2))]
    one = the_room(setting, TOKENS_PER_SECOND)
    waits = [_until_listening(one, sound) for sound in sounds]
    yield LISTENING.measured(1000 * percentile(waits, 95), _milliseconds(waits))


def _until_listening(one: Room, sound: Samples) -> float:
    before = time.monotonic()
    _, ended = one.speak(sound)
    listening, _ = one.wait_for_event("listening", before)
    time.sleep(2)  # the detector does not hear a word twice within 1.5 s
    return listening - ended


def measure_silence(setting: Setting) -> Iterator[Result]:
    """Say the stop word into answers."""
    piper = speech.open_piper(setting)
    asking = [
        speech.say(piper, f"Okay Nabu, {sentence(each)}") for each in one_breath(setting.count(TIMES, 2))
    ]
    stop = speech.trimmed(speech.say(piper, f"{STOP_WORD.capitalize()}."))
    one = the_room(setting, TOKENS_PER_SECOND)
    tried = [_until_silent(one, question, stop) for question in asking]
    waits = [each for each in tried if each is not None]
    note = f"{_milliseconds(waits)}; the stop word is “{STOP_WORD}”"
    if len(waits) < len(tried):
        note += (
            f"; {len(tried) - len(waits)} questions were not understood, so that nothing was to be stopped"
        )
    yield SILENCE.measured(1000 * percentile(waits, 95), note)


def _until_silent(one: Room, question: Samples, stop: Samples) -> float | None:
    """Return how long after the stop word it was silent; None when there was no answer to stop."""
    before = time.monotonic()
    _, asked = one.speak(question)
    one.wait_for_event("listening.ended", before)
    if one.event("transcript.final", before) is None:
        return None
    one.first_sound(asked)
    time.sleep(_INTO_ANSWER_SECONDS)
    _, ended = one.speak(stop)
    time.sleep(_WATCHED_SECONDS)
    silent = one.silent_from(asked)
    one.wait_for(lambda: one.voice()["phase"] == "idle")
    return silent - ended


def measure_cut_off(setting: Setting) -> Iterator[Result]:
    """Pause after a conjunction, and go on."""
    piper = speech.open_piper(setting)
    commands = one_breath(2 * setting.count(TIMES, 2))
    one = the_room(setting, TOKENS_PER_SECOND)
    cut = []
    for number, (first, second) in enumerate(zip(commands[::2], commands[1::2], strict=True)):
        conjunction = CONJUNCTIONS[number % len(CONJUNCTIONS)]
        begun = speech.trimmed(speech.say(piper, f"Okay Nabu, {first} {conjunction}"))
        rest = speech.trimmed(speech.say(piper, sentence(second)))
        if (heard := _until_cut(one, begun, rest)) is not None:
            cut.append(f"“{first} {conjunction}” was taken for “{heard}”")
    total = len(commands) // 2
    yield CUT_OFF.measured(len(cut) / total, "; ".join([f"{len(cut)} of {total}", *cut[:3]]))


def _until_cut(one: Room, begun: Samples, rest: Samples) -> str | None:
    """Return what the device took for all when it did not wait for the rest."""
    before = time.monotonic()
    _, ended = one.speak(speech.join([begun, speech.quiet(PAUSE_SECONDS), rest]))
    one.wait_for_event("listening.ended", before)
    resumed = ended - len(rest) / speech.RATE_HZ
    final = one.event("transcript.final", before)
    time.sleep(2)  # an answer begins, into which the next question is asked
    return final[1]["text"] if final is not None and final[0] < resumed else None


def _milliseconds(seconds: list[float]) -> str:
    return spread([1000 * each for each in seconds], "ms")


MEASUREMENTS = (
    Measurement((LISTENING,), measure_listening),
    Measurement((SILENCE,), measure_silence),
    Measurement((CUT_OFF,), measure_cut_off),
)
