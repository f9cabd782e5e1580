"""Spoken sound for measurements: voices, their variants, rooms and noise. All at 16 kHz, all reproducible."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import wave
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_assistant.bench.measurement import CannotMeasureError, Setting
from edge_assistant.catalog.catalog import find_model
from edge_assistant.errors import EdgeError, ModelError
from edge_assistant.speech.protocol import Woken
from edge_assistant.speech.resample import resample

RATE_HZ = 16_000
_MARKS = re.compile(r":\w+:|[`*]")
"""What only typesetting needs."""

_SHORT_WORDS = 8
"""So few words are a heading."""

_FULL = 32_767
_QUIET = 300
"""Samples below this are silence: -41 dB of full scale."""

Samples = NDArray[np.int16]


def open_piper(setting: Setting) -> Any:
    """Return the voice of this device's configuration; raises `CannotMeasureError`."""
    try:
        from edge_assistant.speech.engines.piper import PiperSynthesizer

        return PiperSynthesizer(
            lambda voice: find_model(voice, setting.paths.models), setting.config.voice.voice
        )
    except (EdgeError, ImportError) as error:
        raise CannotMeasureError(f"no voice: {error}; `make run VOICE=1` brings it") from error


def open_whisper(setting: Setting) -> Any:
    """Return what understands speech; raises `CannotMeasureError`."""
    try:
        from edge_assistant.speech.engines.whisper import WhisperTranscriber

        return WhisperTranscriber(_folder(setting))
    except (ModelError, EdgeError, ImportError) as error:
        raise CannotMeasureError(f"no transcriber: {error}; `make run VOICE=1` brings it") from error


def _folder(setting: Setting) -> Path:
    return find_model(setting.config.voice.stt_model, setting.paths.models).parent


def say(piper: Any, text: str, speed: float = 1.0) -> Samples:
    """Return a text as Piper speaks it."""
    sounds = list(piper.speak(text, speed=speed))
    whole = np.concatenate([np.frombuffer(each.pcm, np.int16) for each in sounds])
    return resample(whole, sounds[0].sample_rate_hz, RATE_HZ)


def say_with_espeak(text: str, voice: str = "en-us", words_per_minute: int = 165, pitch: int = 50) -> Samples:
    """Return a text as espeak-ng speaks it."""
    if shutil.which("espeak-ng") is None:
        raise CannotMeasureError("install the system package espeak-ng")
    command = ["espeak-ng", "-v", voice, "-s", str(words_per_minute), "-p", str(pitch), "--stdin", "--stdout"]
    data = subprocess.run(command, input=text.encode(), capture_output=True, check=True, timeout=120).stdout
    with wave.open(io.BytesIO(data)) as file:
        rate = file.getframerate()
    return resample(np.frombuffer(data[44 : len(data) // 2 * 2], np.int16), rate, RATE_HZ)


def write(transcriber: Any, samples: Samples, woken: Woken | None = None) -> str:
    """Return what samples say, perhaps behind a wake word."""
    hearing = transcriber.open(woken)
    hearing.feed(samples.tobytes())
    return str(hearing.text())


def louder(samples: Samples, decibel: float) -> Samples:
    """Return samples at another loudness, clipped like a microphone's."""
    return _fit(samples.astype(np.float64) * 10 ** (decibel / 20))


def pitched(samples: Samples, semitones: float) -> Samples:
    """Return a higher or lower voice, which also speaks faster or slower: as a smaller or larger person."""
    rate = round(RATE_HZ * 2 ** (semitones / 12))
    return resample(samples, rate, RATE_HZ)


def in_room(samples: Samples, seconds: float, seed: int = 1) -> Samples:
    """Return samples in a room whose echo falls by 60 dB within `seconds`."""
    random = np.random.default_rng(seed)
    length = round(seconds * RATE_HZ)
    tail = random.standard_normal(length) * 10 ** (-3 * np.arange(length) / length) * 0.05
    tail[0] = 1.0
    wet = np.fft.irfft(_spectrum(samples, length) * np.fft.rfft(tail, len(samples) + length))
    return _fit(wet[: len(samples) + length])


def in_noise(samples: Samples, kind: str, snr_decibel: float, seed: int = 1) -> Samples:
    """Return samples with white or pink noise so many dB below the speech."""
    sound = samples.astype(np.float64)
    loud = sound[np.abs(sound) > _QUIET]
    power = float(np.mean(loud**2)) if len(loud) else 1.0
    noise = noise_of(kind, len(sound), seed)
    return _fit(sound + noise * np.sqrt(power / 10 ** (snr_decibel / 10)))


def noise_of(kind: str, count: int, seed: int = 1) -> NDArray[np.float64]:
    """Return `white` or `pink` noise of mean power 1."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    if kind == "pink":
        spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
        spectrum[0] = 0
    noise = np.fft.irfft(spectrum, count)
    return np.asarray(noise / np.sqrt(np.mean(noise**2)), np.float64)


def quiet(seconds: float) -> Samples:
    """Return silence."""
    return np.zeros(round(seconds * RATE_HZ), np.int16)


def join(pieces: Sequence[Samples]) -> Samples:
    """Return pieces one after the other."""
    return np.concatenate(list(pieces))


def loud_span(samples: Samples, threshold: int = _QUIET) -> tuple[float, float] | None:
    """Return when the first and the last sound is, in seconds; None in silence."""
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > threshold)
    return (loud[0] / RATE_HZ, loud[-1] / RATE_HZ) if len(loud) else None


def trimmed(samples: Samples) -> Samples:
    """Return samples without the silence at both ends."""
    span = loud_span(samples)
    return samples if span is None else samples[round(span[0] * RATE_HZ) : round(span[1] * RATE_HZ) + 1]


@cache
def prose(words: int) -> tuple[str, ...]:
    """Return sentences of English with so many words in all: the manual that comes with Python."""
    from pydoc_data.topics import topics

    found: list[str] = []
    count = 0
    for text in topics.values():
        for paragraph in text.split("\n\n"):
            sentence = _MARKS.sub("", " ".join(paragraph.split()))
            plain = all(each.isalpha() or each in " ,.'-();:\"" for each in sentence)
            if plain and len(sentence.split()) > _SHORT_WORDS:
                found.append(sentence)
                count += len(sentence.split())
                if count >= words:
                    return tuple(found)
    return tuple(found)


def _spectrum(samples: Samples, more: int) -> NDArray[np.complex128]:
    return np.fft.rfft(samples.astype(np.float64), len(samples) + more)


def _fit(sound: NDArray[np.float64]) -> Samples:
    return np.clip(sound, -_FULL, _FULL).astype(np.int16)
