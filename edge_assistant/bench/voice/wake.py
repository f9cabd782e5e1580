"""The wake word, offline: spoken variants, an hour of other speech, phrases that sound like it."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from edge_assistant.bench.goal import Goal, Result
from edge_assistant.bench.measurement import CannotMeasureError, Measurement, Setting
from edge_assistant.bench.voice import speech
from edge_assistant.bench.voice.speech import RATE_HZ, Samples
from edge_assistant.errors import EdgeError
from edge_assistant.speech.ear import WAKE_SECONDS, woken_by
from edge_assistant.speech.protocol import FRAME_SAMPLES, Woken
from edge_assistant.speech.ring import PreRoll
from edge_assistant.speech.wakecheck import WakeCheck

WORD = "okay_nabu"
TEXTS = ("Okay Nabu.", "Okay Nabu!", "Okay Nabu, what time is it?", "Okay Nabu, turn on the light.")
SPEEDS = (0.8, 0.9, 1.0, 1.1, 1.25)
NEAR = (
    "okay bamboo", "OK, new book", "okay nabob", "okay caribou", "okay Google", "okay number two",
    "hey Nabu", "okay Naomi", "okay nobody", "okay Navy", "okay, not you", "okay kabuki", "okay Namibia",
    "okay, nap time", "okay, who knew", "a caribou",
)  # fmt: skip
"""Each is said with a command behind it."""

_NOISES = ("white", "pink")
_DRY = ("piper", "piper pitch", "piper gain")
"""The groups without echo and noise."""

_WORDS_AN_HOUR = 10_300
_PIPER_SHARE = 4
"""Every so many sentences of the hour are Piper's, the others those of quick espeak-ng voices."""

_ESPEAK = ("en-us", "en-gb", "en-gb-scotland", "en-us+f2", "en-us+m3", "en-gb+f4")


class Variant(NamedTuple):
    """One way in which the wake word is said; its sound is the word, and what follows it."""

    group: str
    sound: Samples


class Heard(NamedTuple):
    """The wake word, as the ear decides."""

    at: float
    """Seconds from the beginning of the sound."""
    sure: bool
    """The bare detector hears it too."""
    woken: Woken


class Ears:
    """The detector, and its decision in the ear, without a microphone."""

    def __init__(self) -> None:
        try:
            from edge_assistant.speech.engines.microwakeword import MicroWakeDetector

            self._detector = MicroWakeDetector([WORD])
        except EdgeError as error:
            raise CannotMeasureError(error.message) from error

    def first(self, sound: Samples) -> Heard | None:
        """Return when the word first counted as heard."""
        return next(iter(self.hear(sound)), None)

    def hear(self, sound: Samples) -> list[Heard]:
        """Return each time that the word counted as heard."""
        self._detector.reset()
        ring, found = PreRoll(), list[Heard]()
        for start in range(0, len(sound) - FRAME_SAMPLES + 1, FRAME_SAMPLES):
            frame, at = sound[start : start + FRAME_SAMPLES].tobytes(), (start + FRAME_SAMPLES) / RATE_HZ
            ring.append(frame, at)
            for each in self._detector.feed(frame):
                if (woken := woken_by(each, ring)) is not None:
                    found.append(Heard(at, each.accepted, woken))
        return found


def clean_variants(piper: Any) -> Iterator[Variant]:
    """Yield the 60 variants without noise: 36 of Piper, of which 5 in rooms, and 24 of espeak-ng."""
    for speed in SPEEDS:
        yield from (Variant("piper", speech.say(piper, text, speed)) for text in TEXTS)
    plain = speech.trimmed(speech.say(piper, TEXTS[2]))
    yield from (Variant("piper pitch", speech.pitched(plain, by)) for by in (-3, -2, -1, 1, 2, 3))
    yield from (Variant("piper gain", speech.louder(plain, by)) for by in (-30, -24, -18, -12, 6))
    yield from (Variant("piper reverb", speech.in_room(plain, each)) for each in (0.15, 0.3, 0.5, 0.7, 1.0))
    if shutil.which("espeak-ng") is None:
        return
    for voice in _ESPEAK:
        for words_per_minute, pitch in ((140, 50), (165, 50), (165, 30), (165, 70)):
            yield Variant("espeak", speech.say_with_espeak(TEXTS[2], voice, words_per_minute, pitch))


def noisy(sound: Samples, kind: str, decibel: float, seed: int) -> Samples:
    """Return a variant in noise that is there before and after it too."""
    whole = speech.join([speech.quiet(1.5), speech.trimmed(sound), speech.quiet(0.7)])
    return speech.in_noise(whole, kind, decibel, seed)


def _padded(sound: Samples) -> Samples:
    return speech.join([speech.quiet(1.5), sound, speech.quiet(0.7)])


# --- variants ---

CLEAN = Goal(metric="wake word, clean Piper speech", unit="ratio", text="≥ 0.97", at_least=0.97)
AT_20 = Goal(metric="wake word, noise at 20 dB", unit="ratio", text="≥ 0.95", at_least=0.95)
AT_10 = Goal(
    metric="wake word, noise at 10 dB: misses / those of the bare detector",
    unit="ratio",
    text="≤ 0.5",
    at_most=0.5,
)
ESPEAK = Goal(metric="wake word, espeak-ng's voices", unit="ratio", text="reported, no bound")


def measure_variants(setting: Setting) -> Iterator[Result]:
    """Hear every variant without noise, and Piper's in white and pink noise."""
    piper, ears = speech.open_piper(setting), Ears()
    setting.say("speaking the variants of the wake word")
    variants = list(clean_variants(piper))
    variants = variants[:: setting.count(1, 4)]
    groups: dict[str, list[bool]] = {}
    for each in variants:
        groups.setdefault(each.group, []).append(bool(ears.hear(_padded(each.sound))))
    piper_heard = [hit for group, hits in groups.items() if group in _DRY for hit in hits]
    spoken = [each.sound for each in variants if each.group in _DRY]
    yield CLEAN.measured(_share(piper_heard), _table(groups))
    yield _at_20(ears, spoken)
    yield _at_10(ears, spoken)
    espeak = groups.get("espeak")
    yield (
        ESPEAK.measured(_share(espeak), f"n={len(espeak)}; the models were not made for such voices")
        if espeak
        else ESPEAK.unmeasured("install the system package espeak-ng")
    )


def _at_20(ears: Ears, spoken: list[Samples]) -> Result:
    heard = {kind: _heard_in_noise(ears, spoken, kind, 20) for kind in _NOISES}
    return AT_20.measured(_share([bool(each) for hits in heard.values() for each in hits]), _noises(heard))


def _at_10(ears: Ears, spoken: list[Samples]) -> Result:
    heard = {(kind, db): _heard_in_noise(ears, spoken, kind, db) for db in (10, 5) for kind in _NOISES}
    at_10 = [each for kind in _NOISES for each in heard[kind, 10]]
    bare = sum(not any(hit.sure for hit in each) for each in at_10)
    now = sum(not each for each in at_10)
    notes = [
        f"{kind} {db} dB: {sum(map(bool, hits))} of {len(hits)}, "
        f"the bare detector {sum(any(hit.sure for hit in each) for each in hits)}"
        for (kind, db), hits in heard.items()
    ]
    return AT_10.measured(now / bare if bare else 0.0, f"{now} of {len(at_10)} missed; " + "; ".join(notes))


def _heard_in_noise(ears: Ears, spoken: list[Samples], kind: str, decibel: float) -> list[list[Heard]]:
    return [ears.hear(noisy(sound, kind, decibel, seed)) for seed, sound in enumerate(spoken, 1)]


def _noises(heard: dict[str, list[list[Heard]]]) -> str:
    return "; ".join(f"{kind}: {sum(map(bool, hits))} of {len(hits)}" for kind, hits in heard.items())


def _table(groups: dict[str, list[bool]]) -> str:
    return "; ".join(f"{group}: {sum(hits)} of {len(hits)}" for group, hits in groups.items())


def _share(hits: Iterable[bool]) -> float:
    found = list(hits)
    return sum(found) / len(found) if found else 0.0


# --- what is not the wake word ---

HOUR = Goal(metric="false accepts in an hour of other speech", unit="", text="0", at_most=0)
NEAR_PHRASES = Goal(
    metric="near phrases that lead to an answer, of 16", unit="", text="≤ 3 with the second look", at_most=3
)
NEAR_IN_NOISE = Goal(metric="the same in noise, of 16 in each", unit="", text="reported, no bound")
LOST = Goal(metric="true wake words that the second look loses", unit="", text="0", at_most=0)
LOST_IN_TROUBLE = Goal(
    metric="the same, for espeak-ng's voices and in noise", unit="ratio", text="reported, no bound"
)


def measure_hour(setting: Setting) -> Iterator[Result]:
    """Let the detector hear an hour of speech without the wake word."""
    piper, ears = speech.open_piper(setting), Ears()
    heard = seconds = 0.0
    for sound in _hour(piper, setting.count(_WORDS_AN_HOUR, 300)):
        heard += len(ears.hear(sound))
        seconds += len(sound) / RATE_HZ
    yield HOUR.measured(heard, f"{seconds / 60:.0f} minutes by Piper and espeak-ng; no second look")


def _hour(piper: Any, words: int) -> Iterator[Samples]:
    espeak = shutil.which("espeak-ng") is not None
    for number, sentence in enumerate(speech.prose(words)):
        if espeak and number % _PIPER_SHARE:
            yield speech.say_with_espeak(sentence, _ESPEAK[number % len(_ESPEAK)])
        else:
            yield speech.say(piper, sentence)


def measure_near(setting: Setting) -> Iterator[Result]:
    """Hear phrases that sound like the wake word, and the wake word, with the second look."""
    piper, whisper, ears = speech.open_piper(setting), speech.open_whisper(setting), Ears()
    near = [speech.say(piper, f"{phrase}, turn on the light.") for phrase in NEAR[:: setting.count(1, 4)]]
    rejected, taken = _rejected(whisper, ears, map(_padded, near))
    yield NEAR_PHRASES.measured(taken - rejected, f"the bare detector takes {taken} of {len(near)}")
    yield _near_in_noise(whisper, ears, near)
    groups: dict[str, list[Samples]] = {}
    for each in list(clean_variants(piper))[:: setting.count(1, 4)]:
        groups.setdefault("Piper" if each.group in _DRY else each.group, []).append(each.sound)
    lost = {group: _rejected(whisper, ears, map(_padded, sounds)) for group, sounds in groups.items()}
    of_piper, woken = lost.pop("Piper")
    yield LOST.measured(of_piper, f"of {woken} of clean Piper speech that the detector hears")
    for noise, sounds in _in_noises(groups["Piper"]):
        lost[noise] = _rejected(whisper, ears, sounds)
    share = sum(each for each, _ in lost.values()) / max(1, sum(of for _, of in lost.values()))
    yield LOST_IN_TROUBLE.measured(share, "; ".join(f"{g}: {n} of {of}" for g, (n, of) in lost.items()))


def _near_in_noise(whisper: Any, ears: Ears, near: list[Samples]) -> Result:
    passed, notes = 0, list[str]()
    for noise, sounds in _in_noises(near):
        rejected, taken = _rejected(whisper, ears, sounds)
        passed = max(passed, taken - rejected)
        notes.append(f"{noise}: {taken - rejected} of {taken} that the detector takes")
    return NEAR_IN_NOISE.measured(passed, "the most; " + "; ".join(notes))


def _in_noises(spoken: list[Samples]) -> Iterator[tuple[str, Iterator[Samples]]]:
    for kind, decibel in itertools.product(_NOISES, (20, 10)):
        sounds = (noisy(sound, kind, decibel, seed) for seed, sound in enumerate(spoken, 1))
        yield f"{kind} noise at {decibel} dB", sounds


def _rejected(whisper: Any, ears: Ears, sounds: Iterable[Samples]) -> tuple[int, int]:
    """Return how many of those that the detector takes the second look rejects, and of how many."""
    taken = [(each, heard) for each in sounds if (heard := ears.first(each)) is not None]
    return sum(not _confirmed(whisper, sound, heard) for sound, heard in taken), len(taken)


def _confirmed(whisper: Any, sound: Samples, heard: Heard) -> bool:
    """Take the second look at what the worker would transcribe."""
    since = max(0, round((heard.at - WAKE_SECONDS) * RATE_HZ))
    text = speech.write(whisper, sound[since:], heard.woken)
    return not text.strip() or WakeCheck(WORD)(text).confirmed


MEASUREMENTS = (
    Measurement((CLEAN, AT_20, AT_10, ESPEAK), measure_variants),
    Measurement((NEAR_PHRASES, NEAR_IN_NOISE, LOST, LOST_IN_TROUBLE), measure_near),
    Measurement((HOUR,), measure_hour),
)
