"""What the voice costs while nobody speaks, and whether it grows with what was spoken."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import psutil

from edge_assistant.bench.goal import Goal, Result
from edge_assistant.bench.measurement import Measurement, Setting
from edge_assistant.bench.statistic import median
from edge_assistant.bench.voice import speech
from edge_assistant.bench.voice.commands import one_breath, sentence
from edge_assistant.bench.voice.room import Room, the_room
from edge_assistant.bench.voice.talk import TOKENS_PER_SECOND

TURNS = 300

_SETTLE_SECONDS = 5.0
"""The speaker is closed 1 s after the last sound."""

IDLE = Goal(
    metric="processor time while nobody speaks, wake word on", unit="% of one core", text="≤ 5 %", at_most=5
)
GROWTH = Goal(
    metric="growth of the speech worker over 300 turns, after the first 30",
    unit="MB", text="none: ≤ 5 MB of 450", at_most=5,
)  # fmt: skip


def measure_idle(setting: Setting) -> Iterator[Result]:
    """Watch the processes of the device while the microphone hears nothing."""
    one = the_room(setting, TOKENS_PER_SECOND)
    time.sleep(_SETTLE_SECONDS)
    seconds = float(setting.count(60, 5))
    processes = (one.speech_worker, psutil.Process(one.device.pid))
    before, began = [_spent(each) for each in processes], time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - began
    spent = [_spent(each) - was for each, was in zip(processes, before, strict=True)]
    ears, rest = (100 * each / took for each in spent)
    yield IDLE.measured(ears + rest, f"speech worker {ears:.1f} %, daemon {rest:.1f} %, over {took:.0f} s")


def _spent(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def measure_growth(setting: Setting) -> Iterator[Result]:
    """Ask many questions, each into the answer of the one before, and weigh the worker after each."""
    piper, count = speech.open_piper(setting), setting.count(TURNS, 6)
    asking = [speech.trimmed(speech.say(piper, f"Okay Nabu, {sentence(each)}")) for each in one_breath(10)]
    one = the_room(setting, TOKENS_PER_SECOND)
    worker = one.speech_worker
    weights, answered = [], 0
    for number in range(count):
        setting.say(f"turn {number + 1} of {count}")
        answered += _turn(one, asking[number % len(asking)])
        weights.append(worker.memory_info().rss / 1e6)
    part = max(1, count // 10)
    early, late = median(weights[part : 2 * part]), median(weights[-part:])
    yield GROWTH.measured(late - early, _course(weights, answered))


def _turn(one: Room, question: speech.Samples) -> bool:
    """Ask; return whether it was answered."""
    _, ended = one.speak(question)
    one.wait_for_event("listening.ended", ended)
    final = one.event("transcript.final", ended)
    if final is not None:
        one.first_sound(ended)
    return final is not None


def _course(weights: Sequence[float], answered: int) -> str:
    steps = [weights[min(len(weights) - 1, len(weights) * tenth // 10)] for tenth in range(0, 11, 2)]
    course = ", ".join(f"{step:.0f}" for step in steps)
    return f"MB along the way: {course}; {answered} of {len(weights)} turns were answered"


IDLE_MEASUREMENT = Measurement((IDLE,), measure_idle)
GROWTH_MEASUREMENT = Measurement((GROWTH,), measure_growth)
