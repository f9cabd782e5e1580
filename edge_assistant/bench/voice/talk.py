"""Questions said in one breath with the wake word, each asked into the answer of the one before."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from edge_assistant.bench.goal import Goal, Result
from edge_assistant.bench.measurement import Measurement, Setting
from edge_assistant.bench.plot import Bar, bars
from edge_assistant.bench.statistic import median, percentile
from edge_assistant.bench.voice import speech
from edge_assistant.bench.voice.commands import one_breath, sentence
from edge_assistant.bench.voice.room import Room, the_room
from edge_assistant.bench.voice.scripted import ANSWER
from edge_assistant.speech.ear import WAKE_SECONDS

TOKENS_PER_SECOND = 40.0
"""What a Pi 5 writes with the starter model; the serial device gets the same."""

SERIAL_WAIT_SECONDS = 0.7
_LEAD_SECONDS = WAKE_SECONDS - 0.8
"""The ring's share before a wake word: "okay nabu" itself takes 0.8 s."""

_BETWEEN_SECONDS = 0.8
"""From the first sound to the next question: synthesis of what follows has settled."""

FIRST_SOUND = Goal(
    metric="end of speech → first sound / the same parts one after the other, p50",
    unit="ratio", text="≤ 0.40", at_most=0.40,
)  # fmt: skip
FIRST_SOUND_95 = Goal(
    metric="end of speech → first sound / the same parts one after the other, p95",
    unit="ratio", text="≤ 0.55", at_most=0.55,
)  # fmt: skip
ONE_BREATH = Goal(
    metric="commands in one breath with the wake word that lose the first word",
    unit="", text="0 of 50", at_most=0,
)  # fmt: skip
WORD_ERRORS = Goal(
    metric="word error rate through the whole chain − that of the engine alone",
    unit="points", text="≤ 1", at_most=1,
)  # fmt: skip
WORKER_MEMORY = Goal(
    metric="resident memory of the speech worker, starter models", unit="MB", text="≤ 450", at_most=450
)


class Asked(msgspec.Struct):
    """One question and how it went; seconds."""

    text: str
    heard: str
    """Empty when nothing was: no answer then."""
    engine_heard: str
    ours: float
    serial: float
    timings: dict[str, float]


def measure(setting: Setting) -> Iterator[Result]:
    """Ask everything; yield a result for each goal."""
    piper, whisper = speech.open_piper(setting), speech.open_whisper(setting)
    commands = one_breath(setting.count(50, 4))
    sounds = {each: speech.say(piper, f"Okay Nabu, {sentence(each)}") for each in commands}
    speech.write(whisper, next(iter(sounds.values())))  # loads what is loaded with the first work
    asked: list[Asked] = []
    one = the_room(setting, TOKENS_PER_SECOND)
    for number, (text, sound) in enumerate(sounds.items(), 1):
        setting.say(f"question {number} of {len(sounds)}")
        asked.append(_ask(one, text, sound, piper, whisper))
    worker_bytes = one.speech_worker.memory_info().rss
    if setting.plot is not None:
        setting.plot.write_text(_drawn(asked), encoding="utf-8")
    yield from _results(asked, worker_bytes)


def _ask(one: Room, text: str, sound: speech.Samples, piper: Any, whisper: Any) -> Asked:
    before = time.monotonic()
    _, ended = one.speak(sound)
    one.wait_for_event("listening.ended", ended)  # a wake word alone may have ended one before
    found = one.event("transcript.final", before)
    if found is None:
        return Asked(text, "", speech.write(whisper, _as_the_chain_gets_it(sound)), 0.0, 0.0, {})
    first = one.first_sound(ended)
    time.sleep(_BETWEEN_SECONDS / 2)
    serial, engine_heard = _one_after_the_other(one, sound, piper, whisper)
    time.sleep(_BETWEEN_SECONDS / 2)
    timings = one.voice()["timings"]
    return Asked(text, found[1]["text"], engine_heard, first - ended, serial, timings)


def _one_after_the_other(one: Room, sound: speech.Samples, piper: Any, whisper: Any) -> tuple[float, str]:
    """Return what the same parts take when each waits for the one before, and what the engine understood."""
    recorded = _as_the_chain_gets_it(sound)
    began = time.monotonic()
    understood = speech.write(whisper, recorded)
    transcribed = time.monotonic() - began
    written = len(ANSWER.split()) * (4 / 3) / one.model.tokens_per_second
    began = time.monotonic()
    speech.say(piper, ANSWER)
    spoken = time.monotonic() - began
    return SERIAL_WAIT_SECONDS + transcribed + written + spoken, understood


def _as_the_chain_gets_it(sound: speech.Samples) -> speech.Samples:
    """Return a recording with the quiet before it that the chain has from its ring, and a pause behind it."""
    return speech.join([speech.quiet(_LEAD_SECONDS), sound, speech.quiet(SERIAL_WAIT_SECONDS)])


def _results(asked: Sequence[Asked], worker_bytes: int) -> Iterator[Result]:
    answered = [each for each in asked if each.heard]
    ratios = [each.ours / each.serial for each in answered]
    ours, serial = [each.ours for each in answered], [each.serial for each in answered]
    note = (
        f"{median(ours):.2f} s against {median(serial):.2f} s, n={len(answered)}; "
        f"model at {TOKENS_PER_SECOND:g} tokens/s; {stage_table(answered)}"
    )
    yield FIRST_SOUND.measured(median(ratios), note)
    yield FIRST_SOUND_95.measured(percentile(ratios, 95), f"longest {max(ours):.2f} s")
    lost = [each for each in asked if loses_first_word(each.text, each.heard)]
    other = [each for each in asked if each not in lost and words(each.heard)[:1] != words(each.text)[:1]]
    misheard = sum(mishears_first_word(each.text, each.engine_heard) for each in asked)
    note = (
        f"of {len(asked)}; another word is heard in its place in {len(other)}, "
        f"by the engine alone on the same files in {misheard}"
    )
    yield ONE_BREATH.measured(len(lost), _examples([*lost, *other], note))
    chain = 100 * error_rate([(each.text, each.heard) for each in asked])
    alone = 100 * error_rate([(each.text, each.engine_heard) for each in asked], led_in=True)
    note = (
        f"{chain:.1f} % against {alone:.1f} %, n={len(asked)} commands; alone: the same files with the same "
        "quiet before them, counted from the command's first word on"
    )
    yield WORD_ERRORS.measured(chain - alone, note)
    yield WORKER_MEMORY.measured(worker_bytes / 1e6, f"after {len(asked)} questions")


STAGES = {
    "endpoint_ms": "end of speech noticed",
    "transcript_ms": "then its text",
    "first_text_ms": "then the first word",
    "first_audio_ms": "then the first sound",
    "sound_ms": "together",
}


def stages(asked: Sequence[Asked]) -> list[Bar]:
    """Return p50 and p95 of each stage in milliseconds."""
    timed = [each.timings for each in asked if each.timings]
    values = [(label, [each[stage] for each in timed]) for stage, label in STAGES.items() if timed]
    return [Bar(label, median(found), percentile(found, 95)) for label, found in values]


def stage_table(asked: Sequence[Asked]) -> str:
    """Return the stages in words."""
    table = ", ".join(f"{each.label} {each.usual:.0f}/{each.worst:.0f}" for each in stages(asked))
    return f"stages p50/p95 in ms: {table}"


def _drawn(asked: Sequence[Asked]) -> str:
    answered = [each for each in asked if each.heard]
    wholes = {"as heard in the room": [each.ours for each in answered],
              "one after the other": [each.serial for each in answered]}  # fmt: skip
    lines = [Bar(label, 1000 * median(each), 1000 * percentile(each, 95)) for label, each in wholes.items()]
    title = f"From the end of speech to the first sound, p50 / p95 of {len(answered)} questions"
    return bars(title, "ms", [*stages(answered), *lines])


def words(text: str) -> list[str]:
    """Return words without marks, small."""
    return re.findall(r"[a-z']+", text.lower())


def error_rate(pairs: Sequence[tuple[str, str]], *, led_in: bool = False) -> float:
    """Return the word error rate of (meant, heard): edits over words meant.

    With `led_in` something else may be heard before what is meant, such as the wake word, whatever the
    engine makes of it: that costs nothing.
    """
    edits = sum(_edits(words(meant), words(heard), led_in=led_in) for meant, heard in pairs)
    return edits / sum(len(words(meant)) for meant, _ in pairs)


def loses_first_word(meant: str, heard: str) -> bool:
    """Return whether the first word was not heard, or its end only.

    One that was taken for another is an error. It is lost when the other words alone explain better what
    was heard.
    """
    first, *rest = words(meant)
    found = words(heard)
    clipped = bool(found) and found[0] != first and first.endswith(found[0])
    return clipped or _edits([first, *rest], found) > _edits(rest, found)


def mishears_first_word(meant: str, heard: str) -> bool:
    """Return whether the first word is not heard before the others; anything may be heard before it."""
    first, *rest = words(meant)
    return _edits([first, *rest], words(heard), led_in=True) > _edits(rest, words(heard), led_in=True)


def _edits(meant: list[str], heard: list[str], *, led_in: bool = False) -> int:
    row = [0 if led_in else place for place in range(len(heard) + 1)]
    for index, word in enumerate(meant, 1):
        previous, row = row, [index]
        for place, other in enumerate(heard):
            row.append(min(previous[place] + (word != other), previous[place + 1] + 1, row[-1] + 1))
    return row[-1]


def _examples(found: Sequence[Asked], note: str) -> str:
    return "; ".join([note, *(f"“{each.text}” was heard as “{each.heard}”" for each in found[:4])])


MEASUREMENTS = (Measurement((FIRST_SOUND, FIRST_SOUND_95, ONE_BREATH, WORD_ERRORS, WORKER_MEMORY), measure),)
