"""Fixtures for whoever speaks and listens: a real sound server, Piper to speak, Whisper to understand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from rapidfuzz import fuzz

from edge_assistant.bench.voice.sound import SoundServer, sound_server
from edge_assistant.catalog.catalog import find_model
from edge_assistant.errors import ModelError
from edge_assistant.speech.phrase import plain

VOICE_MODELS = ("whisper-tiny.en-int8", "piper-en-us-joe-medium")

Samples = NDArray[np.int16]

LIKE = 80
"""Likeness in percent: on some processors a small Whisper writes down another small word."""


def sounds_like(heard: str, said: str) -> bool:
    """Whether `said` was heard, as a whole or within more."""
    return (
        float(fuzz.partial_ratio(plain(said), plain(heard))) > LIKE
        and len(plain(heard)) > len(plain(said)) / 2
    )


def begins_like(heard: str, said: str) -> bool:
    """Whether `said` and not much more was heard, its first two words exactly: no beginning is lost."""
    said, heard = plain(said), plain(heard)
    return heard.split()[:2] == said.split()[:2] and fuzz.ratio(said, heard) > LIKE


@pytest.fixture(scope="session")
def voice_models(models_folder: Path) -> Path:
    """Return the folder that holds the voice models."""
    for model in VOICE_MODELS:
        try:
            find_model(model, models_folder)
        except ModelError as error:
            pytest.fail(f"{error}: `make setup` pulls the voice models", pytrace=False)
    return models_folder


@pytest.fixture(scope="module")
def sound() -> Iterator[SoundServer]:
    """Run a sound server with a virtual microphone and speaker, and point this process at it."""
    with sound_server() as server, pytest.MonkeyPatch.context() as patch:
        for key, value in server.environ.items():
            patch.setenv(key, value)
        yield server


@pytest.fixture(scope="session")
def piper(voice_models: Path) -> Any:
    """Return the real Piper, to speak into microphones."""
    from edge_assistant.speech.engines.piper import PiperSynthesizer

    return PiperSynthesizer(lambda voice: find_model(voice, voice_models), VOICE_MODELS[1])


@pytest.fixture(scope="session")
def whisper(voice_models: Path) -> Any:
    """Return the real Whisper, to understand what speakers play."""
    from edge_assistant.speech.engines.whisper import WhisperTranscriber

    return WhisperTranscriber(voice_models / VOICE_MODELS[0])


@pytest.fixture(scope="session")
def spoken(piper: Any) -> Callable[[str], Samples]:
    """Return a function that speaks a text: samples at 16 kHz with silence at both ends."""
    from edge_assistant.speech.resample import resample

    cache: dict[str, Samples] = {}

    def speak(text: str) -> Samples:
        if text not in cache:
            sounds = list(piper.speak(text))
            voice = np.concatenate([np.frombuffer(each.pcm, np.int16) for each in sounds])
            quiet = np.zeros(4_800, np.int16)
            cache[text] = np.concatenate([quiet, resample(voice, sounds[0].sample_rate_hz, 16_000), quiet])
        return cache[text]

    return speak


@pytest.fixture(scope="session")
def written(whisper: Any) -> Callable[[Samples], str]:
    """Return a function that writes down what samples at 16 kHz say, in small letters."""

    def write(samples: Samples) -> str:
        hearing = whisper.open()
        hearing.feed(samples.tobytes())
        return str(hearing.text()).lower()

    return write
