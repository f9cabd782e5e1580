"""A room: a sound server with a virtual microphone and speaker, a device that listens, ears beside it."""

from __future__ import annotations

import asyncio
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import numpy as np
import psutil

from edge_assistant.bench.device import Device, Sections, running_device
from edge_assistant.bench.measurement import CannotMeasureError, Setting
from edge_assistant.bench.voice.scripted import Scripted, scripted_server
from edge_assistant.bench.voice.sound import RECORD_RATE_HZ, Recording, SoundServer, sound_server
from edge_assistant.bench.voice.speech import Samples
from edge_assistant.config.address import socket_address
from edge_assistant.errors import EdgeError

_QUIET = 300
START_SECONDS = 60.0
QUIET_SECONDS = 40.0
"""An answer that nobody interrupts has been heard by then, and a microphone that was opened is closed."""

STOP_WORD = "alexa"
"""Any model of a word does: the one of "stop" itself comes in no package."""


class Room:
    """What can be done in the room. All times are of `time.monotonic`."""

    def __init__(
        self, sound: SoundServer, device: Device, model: Scripted, microphone: Recording, speaker: Recording
    ) -> None:
        self.sound = sound
        self.device = device
        self.model = model
        self.microphone = microphone
        self.speaker = speaker
        self.events: list[tuple[float, dict[str, Any]]] = []
        """What the device told of its hearing, with the time of arrival."""
        self._channel: socket.socket | None = None

    def speak(self, samples: Samples) -> tuple[float, float]:
        """Say something to the device; return when it began and ended to sound there."""
        before = time.monotonic()
        self.sound.speak(samples)
        time.sleep(0.1)  # the recording is some milliseconds behind
        spans = heard(self.microphone, before)
        return spans[0], spans[-1]

    def wait_for(self, what: Callable[[], Any], seconds: float = 20.0) -> Any:
        """Return what comes to hold; raises BENCH_FAILED when it never does."""
        deadline = time.monotonic() + seconds
        while not (found := what()):
            if time.monotonic() > deadline:
                raise EdgeError("BENCH_FAILED", "the device did not do what it was waited for")
            time.sleep(0.005)
        return found

    def first_sound(self, after: float, seconds: float = 20.0) -> float:
        """Return when the speaker is first heard after a time."""
        return float(self.wait_for(lambda: (heard(self.speaker, after) or [0.0])[0], seconds))

    def silent_from(self, after: float) -> float:
        """Return when the speaker was heard last after a time; the time itself when it was not."""
        return (heard(self.speaker, after) or [after])[-1]

    def event(self, kind: str, after: float) -> tuple[float, dict[str, Any]] | None:
        """Return the first event of a kind that came after a time."""
        found = ((at, each) for at, each in list(self.events) if at > after and each["type"] == kind)
        return next(found, None)

    def wait_for_event(self, kind: str, after: float, seconds: float = 20.0) -> tuple[float, dict[str, Any]]:
        """Return it when it comes."""
        found: tuple[float, dict[str, Any]] = self.wait_for(lambda: self.event(kind, after), seconds)
        return found

    def voice(self) -> dict[str, Any]:
        """Return how the device's voice is."""
        status: dict[str, Any] = asyncio.run(self.device.order("status"))
        report: dict[str, Any] = status["voice"]
        return report

    @property
    def speech_worker(self) -> psutil.Process:
        """Return the process that owns the sound devices."""
        children = psutil.Process(self.device.pid).children(recursive=True)
        return next(each for each in children if any("speech" in word for word in each.cmdline()))

    def overhear(self) -> None:
        """Begin to collect events."""
        with socket_address(self.device.paths.control_socket) as address:
            self._channel = socket.socket(socket.AF_UNIX)
            self._channel.connect(str(address))
        self._channel.sendall(b'{"type":"overhear"}\n')
        threading.Thread(target=self._collect, name="overhearing", daemon=True).start()

    def close(self) -> None:
        """Stop collecting."""
        if self._channel is not None:
            self._channel.shutdown(socket.SHUT_RDWR)
            self._channel.close()

    def _collect(self) -> None:
        assert self._channel is not None
        with self._channel.makefile("rb") as lines:
            for line in lines:
                event = msgspec.json.decode(line)
                if event["type"] != "level":
                    self.events.append((time.monotonic(), event))


def heard(recording: Recording, after: float) -> list[float]:
    """Return the times after `after` at which a recording has sound, in order; empty in silence."""
    if not recording.began:
        return []
    first = max(0, round((after - recording.began) * RECORD_RATE_HZ))
    loud = np.flatnonzero(np.abs(recording.since(first).astype(np.int32)) > _QUIET)
    return [recording.began + (first + int(at)) / RECORD_RATE_HZ for at in loud]


def the_room(setting: Setting, tokens_per_second: float) -> Room:
    """Return the room of this bench, quiet, with a model that writes so fast."""
    one = setting.shared.part("room", lambda: room(setting))
    one.model.tokens_per_second = tokens_per_second
    one.wait_for(lambda: one.voice()["phase"] == "idle", QUIET_SECONDS)
    return one


@contextmanager
def room(setting: Setting) -> Iterator[Room]:
    """Set a room up with a scripted model; nothing of it is left afterwards."""
    if shutil.which("pulseaudio") is None:
        raise CannotMeasureError("install pulseaudio, pulseaudio-utils and libasound2-plugins")
    settings = msgspec.to_builtins(setting.config.voice)
    with sound_server() as sound, scripted_server() as model:
        sections: Sections = {
            "llm": {"engine": "openai", "url": model.url, "remote_model": "scripted"},
            "voice": {
                **settings,
                "enabled": True,
                "input": "",
                "output": "",
                "earcons": False,
                "stop_words": [STOP_WORD],
            },
        }
        with (
            sound.in_environment(),
            sound.recording("mic_feed") as microphone,
            sound.recording() as speaker,
            _device(setting, sections) as device,
        ):
            one = Room(sound, device, model, microphone, speaker)
            _wait_for_ears(one)
            one.overhear()
            try:
                yield one
            finally:
                one.close()


@contextmanager
def _device(setting: Setting, sections: Sections) -> Iterator[Device]:
    """Run the device for callers that are no coroutines."""
    runner = asyncio.Runner()
    context = running_device(setting, sections)
    try:
        yield runner.run(context.__aenter__())
    finally:
        runner.run(context.__aexit__(None, None, None))
        runner.close()


def _wait_for_ears(one: Room) -> None:
    def open_and_loaded() -> bool:
        report = one.voice()
        return bool((report.get("input") or {}).get("condition") == "open" and report["phase"] == "idle")

    one.wait_for(open_and_loaded, START_SECONDS)
    time.sleep(3)  # engines load beside the microphone
