"""A real sound server, real engines, and a worker with ears and mouth on them."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest

from edge_assistant.catalog.catalog import find_model
from edge_assistant.errors import ModelError
from edge_assistant.speech.client import SpeechClient
from edge_assistant.speech.resample import Samples, resample
from edge_assistant.speech.wire import Event, Ready, SpeechSettings
from tests.sound import SoundServer, sound_server

VOICE_MODELS = ("whisper-tiny.en-int8", "piper-en-us-joe-medium")

E = TypeVar("E")


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


class Desk:
    """A worker with a record of what it told, to wait on."""

    def __init__(self, client: SpeechClient) -> None:
        self.client = client
        self.events: list[Event] = []
        self._news = asyncio.Event()
        client.subscribe(self._take)

    def _take(self, event: Event) -> None:
        self.events.append(event)
        self._news.set()

    def all(self, kind: type[E]) -> list[E]:
        """Return the events of a kind so far."""
        return [event for event in self.events if isinstance(event, kind)]

    async def wait(self, kind: type[E], seconds: float = 20, **fields: object) -> E:
        """Wait for an event of a kind with these fields, also one that has come already."""
        async with asyncio.timeout(seconds):
            while True:
                for event in self.all(kind):
                    if all(getattr(event, name) == value for name, value in fields.items()):
                        return event
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def desk(models: Path, **settings: Any) -> AsyncIterator[Desk]:
    """Run a worker; no process of it is left."""
    client = SpeechClient(SpeechSettings(models=str(models), **settings))
    one = Desk(client)
    await client.start()
    try:
        await one.wait(Ready)
        yield one
    finally:
        await client.stop()


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        await asyncio.sleep(0.02)


def environ_without_sound() -> dict[str, str]:
    """Return an environment in which there is no sound server at all."""
    return {**os.environ, "PULSE_SERVER": "unix:/nonexistent", "ALSA_CONFIG_PATH": "/dev/null"}
