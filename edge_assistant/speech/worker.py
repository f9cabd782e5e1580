"""The `speech` worker: owns microphone, speaker and engines; obeys commands and tells events."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from typing import cast

import msgspec

from edge_assistant.errors import EdgeError
from edge_assistant.speech.devices import OFF, Devices, echo_is_cancelled
from edge_assistant.speech.ear import Ear
from edge_assistant.speech.engines.registry import Engines
from edge_assistant.speech.fallback import FallbackSynthesizer, FallbackTranscriber
from edge_assistant.speech.heap import give_back
from edge_assistant.speech.jobs import Jobs
from edge_assistant.speech.mouth import Mouth
from edge_assistant.speech.protocol import NoiseSuppressor
from edge_assistant.speech.scribe import Scribe
from edge_assistant.speech.wire import (
    CancelJob,
    Command,
    DeviceChanged,
    Earcon,
    EndListening,
    EngineChanged,
    Event,
    Failed,
    Listen,
    ListeningEnded,
    MeterLevel,
    Mute,
    PlayEarcon,
    Ready,
    SayAppend,
    SayBegin,
    SayEnd,
    SayPause,
    SayResume,
    SayStop,
    SetThreshold,
    SetVolume,
    SpeechSettings,
    Synthesize,
    TranscribeAppend,
    TranscribeBegin,
    TranscribeEnd,
)
from edge_assistant.workers.child import Channel, ChannelClosed

logger = logging.getLogger(__name__)

_STUCK_SECONDS = 20.0
"""A call into the sound library that has not come back for so long never will: start anew."""

_STUCK_EXIT = 4
_NO_SPEAKER_TRIES = 3
"""Failed tries to open the speaker after which nobody is kept waiting for what it should say."""


def main(channel: Channel, settings: bytes) -> None:
    """Serve `channel` with what `settings` (msgpack of `SpeechSettings`) ask for."""
    worker = SpeechWorker(channel, msgspec.msgpack.decode(settings, type=SpeechSettings))
    worker.start()
    try:
        worker.serve()
    except ChannelClosed:
        worker.stop()


class SpeechWorker:
    """Everything of one worker, put together."""

    def __init__(self, channel: Channel, settings: SpeechSettings) -> None:
        self._channel = channel
        self._settings = settings
        self._muted = False
        self._failed_openings = 0
        self._input = DeviceChanged(direction="input", condition="closed")
        self._echo_cancelled = False
        self.engines = Engines(settings, lambda state: self._tell(EngineChanged(engine=state)))
        self._transcriber = FallbackTranscriber(self.engines.transcribers)
        self._synthesizer = FallbackSynthesizer(self.engines.synthesizers)
        self._mouth = Mouth(self._synthesizer, self._tell, speed=settings.speed, volume=settings.volume)
        self._scribe = Scribe(self._transcriber, lambda note: self._ear.note(note))  # noqa: PLW0108 - the ear comes next
        self._ear = Ear(
            settings,
            self._scribe,
            self._tell,
            wake=self.engines.detector(self.engines.wake) if settings.input != OFF else None,
            stop=self.engines.detector(self.engines.stop) if settings.input != OFF else None,
            voice=self.engines.voice.get,
            noise=self._optional_noise(self.engines),
            speaking=lambda: self._echo_cancelled and self._mouth.player.interruptible,
            audible=lambda: self._mouth.player.interruptible,
            hush=lambda: self._mouth.stop_saying(""),
            hold=self._mouth.hold,
            said_lately=self._mouth.said_lately,
            sign=lambda name: self._mouth.sign(cast("Earcon", name)),
        )
        self._jobs = Jobs(self._transcriber, self._synthesizer, self._tell)
        self._devices = Devices(
            {"input": settings.input, "output": settings.output},
            self._mouth.player_for,
            self._ear.hear,
            self._device_changed,
        )
        self._mouth.wake_speaker = self._devices.wake_speaker

    def start(self) -> None:
        """Start every thread and say so."""
        for part in (self._scribe, self._ear, self._mouth, self._jobs):
            part.start()
        if self._settings.input != OFF:
            self._echo_cancelled = echo_is_cancelled(self._settings.input)
        self._tell(Ready(engines=self.engines.states, echo_cancelled=self._echo_cancelled))
        self._devices.start()
        threading.Thread(target=self._warm_up, name="warm up", daemon=True).start()

    def stop(self) -> None:
        """End them, sound first."""
        for part in (self._devices, self._ear, self._mouth, self._jobs, self._scribe):
            part.stop()

    def serve(self) -> None:
        """Obey until the daemon goes; raises `ChannelClosed`."""
        commands = msgspec.msgpack.Decoder(Command)
        while True:
            for payload in self._channel.receive(timeout=1.0):
                self._obey(commands.decode(payload))
            if self._devices.stuck_seconds > _STUCK_SECONDS:
                logger.error("the sound library hangs; starting anew")
                raise SystemExit(_STUCK_EXIT)

    def _obey(self, command: Command) -> None:
        match command:
            case Listen():
                self._listen(command)
            case EndListening():
                self._ear.end_listening(command)
            case Mute(muted=muted):
                self._mute(muted)
            case SetThreshold(threshold=threshold):
                self._ear.tune(min(1.0, max(0.0, threshold)))
            case MeterLevel(on=on):
                self._ear.meter(on)
            case TranscribeBegin() | TranscribeAppend() | TranscribeEnd() | Synthesize() | CancelJob():
                self._jobs.take(command)
            case _:
                self._speak(command)

    def _speak(self, command: Command) -> None:
        mouth, player = self._mouth, self._mouth.player
        match command:
            case SayBegin():
                mouth.begin(command)
            case SayAppend():
                mouth.append(command)
            case SayEnd(saying=saying):
                mouth.end(saying)
            case SayStop(saying=saying):
                mouth.stop_saying(saying)
            case SayPause(saying=saying):
                mouth.pause(saying)
            case SayResume(saying=saying):
                player.resume(saying, time.monotonic())
                self._devices.wake_speaker()
            case PlayEarcon(earcon=name):
                mouth.sign(name)
            case SetVolume(volume=volume):
                player.set_volume(min(1.0, max(0.0, volume)))

    def _listen(self, order: Listen) -> None:
        """Listen, or say at once why that can't be: nothing must look as if it listened."""
        code = message = ""
        if self._settings.input == OFF:
            code, message = "MICROPHONE_OFF", "voice.input is `off`: there is no microphone to listen with"
        elif self._muted:
            code, message = "MICROPHONE_MUTED", "the microphone is muted"
        elif self._input.condition == "lost":
            code, message = "MICROPHONE_LOST", f"no microphone: {self._input.reason}"
        if code:
            ended = ListeningEnded(utterance=order.utterance, outcome="failed", code=code, message=message)
            self._tell(ended)
            return
        try:
            self.engines.voice.get()
        except EdgeError as error:
            self._tell(
                ListeningEnded(
                    utterance=order.utterance, outcome="failed", code=error.code, message=error.message
                )
            )
            return
        self._ear.listen(order)

    def _mute(self, muted: bool) -> None:
        self._muted = muted
        self._devices.mute(muted)
        if muted:
            self._ear.lose("", "")

    def _device_changed(self, change: DeviceChanged) -> None:
        self._tell(change)
        if change.direction == "output":
            self._speaker_changed(change)
            return
        self._input = change
        if change.condition == "open":
            self._echo_cancelled = echo_is_cancelled(change.name)
        elif change.condition == "lost":
            self._ear.lose("MICROPHONE_LOST", f"the microphone is gone: {change.reason}")

    def _speaker_changed(self, change: DeviceChanged) -> None:
        """Fail what can't be said: a question must not wait for a speaker that may never come."""
        if change.condition != "lost":
            self._failed_openings = self._failed_openings if change.condition == "opening" else 0
            return
        self._failed_openings += 1
        if self._failed_openings >= _NO_SPEAKER_TRIES:
            message = f"no speaker: {change.reason}"
            self._mouth.stop_saying("", EdgeError("SPEAKER_LOST", message))

    def _warm_up(self) -> None:
        """Load what will be needed, so that nobody waits for it after the first question."""
        if self._settings.input != OFF:
            with contextlib.suppress(EdgeError):
                self.engines.voice.get()
            self._transcriber.load()
        if self._settings.output != OFF:
            self._synthesizer.load()
        give_back()

    @staticmethod
    def _optional_noise(engines: Engines) -> NoiseSuppressor | None:
        """Return the noise suppressor when it is wanted and works; its state tells why it does not."""
        with contextlib.suppress(EdgeError):
            return engines.noise.get() if engines.noise else None
        return None

    def _tell(self, event: Event) -> None:
        try:
            self._channel.send(event)
        except ChannelClosed:
            return  # the daemon is gone; `serve` notices
        except EdgeError as error:
            self._channel.send(Failed(code=error.code, message=error.message))
