"""Whatever becomes of sound and devices, nobody is kept listening, and what can go on goes on."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from edge_assistant.bench.voice.sound import SoundServer, sound_server
from edge_assistant.bench.voice.speech import in_noise, noise_of, say_with_espeak
from edge_assistant.errors import SpeechError
from edge_assistant.speech.devices import Device, pick_rate
from edge_assistant.speech.ear import Ear, woken_by
from edge_assistant.speech.engines.microwakeword import MicroWakeDetector
from edge_assistant.speech.engines.registry import Lazy
from edge_assistant.speech.engines.silero import SileroDetector
from edge_assistant.speech.engines.whisper import WhisperTranscriber
from edge_assistant.speech.fallback import FallbackTranscriber
from edge_assistant.speech.protocol import FRAME_SAMPLES, Detection, Woken
from edge_assistant.speech.resample import resample
from edge_assistant.speech.ring import PreRoll
from edge_assistant.speech.scribe import Scribe
from edge_assistant.speech.wakecheck import WakeCheck
from edge_assistant.speech.wire import (
    DeviceChanged,
    EngineChanged,
    Event,
    Listen,
    ListeningBegan,
    ListeningEnded,
    SayAppend,
    SayBegin,
    SayEnd,
    SayingBegan,
    SayingEnded,
    SpeechBegan,
    SpeechSettings,
    TranscriptFinal,
    WakeHeard,
)
from tests.hearing import Samples, begins_like
from tests.speech.conftest import Desk, desk

COMMAND = "Turn on the light in the kitchen."
RATE_HZ = 16_000
PIECE_SECONDS = 0.5


class Listener:
    """The real ear and engines, hearing sound as fast as they can; its time is that of the sound."""

    def __init__(self, whisper: WhisperTranscriber) -> None:
        self.events: list[Event] = []
        self.now = time.monotonic()
        engines = FallbackTranscriber([Lazy("stt", "whisper", lambda: whisper, lambda _state: None)])
        self._scribe = Scribe(engines, lambda note: self.ear.note(note))  # noqa: PLW0108
        self.ear = Ear(
            SpeechSettings(models="", earcons=False),
            self._scribe,
            self.events.append,
            wake=MicroWakeDetector(["okay_nabu"]),
            voice=SileroDetector,
        )
        self._scribe.start()
        self.ear.start()

    def close(self) -> None:
        self.ear.stop()
        self._scribe.stop()

    def hear(self, sound: Samples, rate_hz: int = RATE_HZ) -> None:
        """Let it hear a sound; an utterance that has ended is transcribed before more comes."""
        step = round(PIECE_SECONDS * rate_hz)
        for start in range(0, len(sound), step):
            piece = sound[start : start + step]
            self.now += len(piece) / rate_hz
            self.ear.hear(piece.tobytes(), rate_hz, self.now)
            self._settle()

    def quiet(self, seconds: float) -> None:
        self.hear(np.zeros(round(seconds * RATE_HZ), np.int16))

    def all(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def listening(self) -> bool:
        return len(self.all(ListeningBegan)) != len(self.all(ListeningEnded))

    def end(self) -> list[ListeningEnded]:
        """Return how each utterance ended, once none is open."""
        deadline = time.monotonic() + 60
        while self.listening and time.monotonic() < deadline:
            self._settle()
        assert not self.listening, "it is stuck listening"
        return [event for event in self.events if isinstance(event, ListeningEnded)]

    def _settle(self) -> None:
        """Give the scribe the time that it would have had."""
        for part in (self._scribe, self.ear):
            wait_until_idle(part)


def wait_until_idle(part: Scribe | Ear) -> None:
    inbox = part._orders if isinstance(part, Scribe) else part._inbox
    deadline = time.monotonic() + 60
    while not inbox.empty() and time.monotonic() < deadline:
        time.sleep(0.002)


@pytest.fixture
def listener(whisper: WhisperTranscriber) -> Iterator[Listener]:
    one = Listener(whisper)
    yield one
    one.close()


def test_nobody_says_anything_after_the_wake_word(
    listener: Listener, spoken: Callable[[str], Samples]
) -> None:
    listener.hear(spoken("Okay Nabu."))
    listener.quiet(7)
    assert [each.outcome for each in listener.end()] == ["nothing"]
    assert listener.all(TranscriptFinal) == []


def test_a_minute_of_loud_noise_is_no_question_and_the_next_command_is_heard(
    listener: Listener, spoken: Callable[[str], Samples]
) -> None:
    noise = np.clip(noise_of("white", 60 * RATE_HZ) * 8_000, -32_767, 32_767).astype(np.int16)
    listener.ear.listen(Listen(utterance="asked"))
    listener.hear(noise)
    listener.quiet(2)
    assert listener.end()[0].utterance == "asked"
    assert listener.all(TranscriptFinal) == []
    listener.hear(spoken(f"Okay Nabu, {COMMAND}"))
    listener.quiet(2)
    assert listener.end()[-1].outcome == "heard"
    (final,) = listener.all(TranscriptFinal)
    assert isinstance(final, TranscriptFinal)
    assert begins_like(final.text, COMMAND)


def test_who_talks_for_a_minute_is_answered_once_after_fifteen_seconds(
    listener: Listener, spoken: Callable[[str], Samples]
) -> None:
    sentence = spoken("There is a light in the kitchen and another one in the hall and")
    sentence = sentence[4_800:-4_800]
    talk = np.tile(sentence, 60 * RATE_HZ // len(sentence) + 1)
    listener.hear(np.concatenate([spoken("Okay Nabu.")[:-4_800], talk]))
    listener.quiet(2)
    (ended,) = listener.end()
    # The wake word is looked for a second time; a small Whisper may not find it in so much talk.
    assert ended.outcome in {"heard", "discarded"}
    finals = listener.all(TranscriptFinal)
    assert len(finals) == (ended.outcome == "heard")
    for final in finals:
        assert isinstance(final, TranscriptFinal)
        assert 10 < final.speech_seconds < 16


def test_a_microphone_of_another_rate_is_understood_as_well(
    listener: Listener, spoken: Callable[[str], Samples]
) -> None:
    listener.hear(resample(spoken(f"Okay Nabu, {COMMAND}"), RATE_HZ, 44_100), 44_100)
    listener.hear(np.zeros(88_200, np.int16), 44_100)
    assert [each.outcome for each in listener.end()] == ["heard"]
    (final,) = listener.all(TranscriptFinal)
    assert isinstance(final, TranscriptFinal)
    assert begins_like(final.text, COMMAND)


@pytest.mark.parametrize("rate_hz", [RATE_HZ, 44_100])
def test_a_voice_whose_wake_word_whisper_writes_otherwise_is_understood(
    listener: Listener, whisper: WhisperTranscriber, rate_hz: int
) -> None:
    """Whisper is told that the wake word was heard, through all that lies between."""
    sounds = [say_with_espeak(f"Okay Nabu, {COMMAND}", voice) for voice in ("en-us", "en-gb", "en-us+m3")]
    heard = 0
    for sound in sounds:
        listener.hear(resample(sound, RATE_HZ, rate_hz), rate_hz)
        listener.hear(np.zeros(2 * rate_hz, np.int16), rate_hz)
        heard += [each.outcome for each in listener.end()][-1:] == ["heard"]
    told = [each for each in listener.all(TranscriptFinal) if isinstance(each, TranscriptFinal)]
    assert len(told) == heard >= len(sounds) - 1
    assert all(begins_like(each.text, COMMAND) for each in told)
    check = WakeCheck("okay_nabu")
    assert not all(check(_written_freely(whisper, each)).confirmed for each in sounds), "it would be anyway"


def _written_freely(whisper: WhisperTranscriber, sound: Samples) -> str:
    hearing = whisper.open()
    hearing.feed(sound.tobytes())
    return hearing.text()


@pytest.mark.parametrize(
    ("decibel", "accepted", "woken"),
    [
        (40, True, Woken("okay_nabu", in_noise=False)),
        (40, False, None),
        (10, True, Woken("okay_nabu", in_noise=True)),
        (10, False, Woken("okay_nabu", in_noise=False)),
    ],
)
def test_a_near_miss_counts_in_noise_and_a_sure_detector_more(
    spoken: Callable[[str], Samples], decibel: float, accepted: bool, woken: Woken | None
) -> None:
    sound, lately = in_noise(spoken("Okay Nabu."), "white", decibel), PreRoll()
    for start in range(0, len(sound) - FRAME_SAMPLES, FRAME_SAMPLES):
        lately.append(sound[start : start + FRAME_SAMPLES].tobytes(), (start + FRAME_SAMPLES) / RATE_HZ)
    assert woken_by(Detection("okay_nabu", 0.7, accepted=accepted), lately) == woken


class OneRate:
    """PortAudio, with a device that can do one rate only."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz

    def is_format_supported(self, rate_hz: int, **_device: int) -> bool:
        if rate_hz != self._rate_hz:
            raise ValueError("Invalid sample rate")
        return True


def test_a_device_is_opened_at_the_one_rate_that_it_knows() -> None:
    device = Device(index=0, name="stick", inputs=1, outputs=1, default_rate_hz=48_000)
    assert pick_rate(OneRate(44_100), device, "input", RATE_HZ) == 44_100
    with pytest.raises(SpeechError, match="any common rate"):
        pick_rate(OneRate(11_025), device, "output", RATE_HZ)


@pytest.fixture
def own_sound(monkeypatch: pytest.MonkeyPatch) -> Iterator[SoundServer]:
    """A sound server that may be broken."""
    with sound_server() as server:
        for key, value in server.environ.items():
            monkeypatch.setenv(key, value)
        yield server


async def test_a_microphone_that_goes_in_mid_sentence_ends_the_sentence_and_comes_back(
    own_sound: SoundServer, voice_models, spoken
) -> None:
    async with desk(voice_models, output="off") as one:
        await one.wait(DeviceChanged, direction="input", condition="open")
        one.client.send(Listen(utterance="cut", earcon=False))
        speaker = own_sound.play(np.tile(spoken(COMMAND), 4))
        await one.wait(SpeechBegan, utterance="cut")
        await asyncio.to_thread(own_sound.stop)
        ended = await one.wait(ListeningEnded, utterance="cut")
        assert (ended.outcome, ended.code) == ("failed", "MICROPHONE_LOST")
        assert (await one.wait(DeviceChanged, direction="input", condition="lost")).reason
        await asyncio.to_thread(speaker.wait)
        one.client.send(Listen(utterance="deaf"))
        assert (await one.wait(ListeningEnded, utterance="deaf")).code == "MICROPHONE_LOST"
        one.events.clear()
        await asyncio.to_thread(own_sound.start)
        await one.wait(DeviceChanged, 40, direction="input", condition="open")
        await asyncio.to_thread(own_sound.speak, spoken(f"Okay Nabu, {COMMAND}"))
        assert begins_like((await one.wait(TranscriptFinal)).text, COMMAND)


async def test_a_microphone_that_is_unplugged_in_mid_sentence_leaves_nobody_listening(
    own_sound: SoundServer, voice_models, spoken
) -> None:
    """The sound server goes on with another microphone, and with this one when it is back."""
    async with desk(voice_models, output="off") as one:
        await one.wait(DeviceChanged, direction="input", condition="open")
        one.client.send(Listen(utterance="cut", earcon=False))
        speaker = own_sound.play(np.tile(spoken(COMMAND), 4))
        await one.wait(SpeechBegan, utterance="cut")
        await asyncio.to_thread(unplug, own_sound, "mic_feed")
        ended = await one.wait(ListeningEnded, utterance="cut")
        assert ended.outcome in {"heard", "nothing"}, "what was said up to then is all"
        await asyncio.to_thread(speaker.wait)
        one.events.clear()
        await asyncio.to_thread(plug_in, own_sound)
        assert begins_like((await said_until_heard(one, own_sound, spoken)).text, COMMAND)


async def test_without_any_device_left_what_is_open_fails_and_works_again_when_one_is_plugged_in(
    own_sound: SoundServer, voice_models, spoken
) -> None:
    async with desk(voice_models) as one:
        await one.wait(DeviceChanged, direction="input", condition="open")
        one.client.send(Listen(utterance="cut", earcon=False))
        own_sound.play(np.tile(spoken(COMMAND), 4))
        say(one, "long", "One two three four five six seven eight nine ten. " * 3)
        await one.wait(SpeechBegan, utterance="cut")
        await one.wait(SayingBegan, saying="long")
        await asyncio.to_thread(unplug, own_sound, "mic_feed")
        await asyncio.to_thread(unplug, own_sound, "sink_name=speaker")
        assert (await one.wait(SayingEnded, saying="long")).code == "SPEAKER_LOST"
        await one.wait(ListeningEnded, utterance="cut")
        assert (await one.wait(DeviceChanged, direction="input", condition="lost")).reason
        one.events.clear()
        await asyncio.to_thread(own_sound.load, "module-null-sink", "sink_name=speaker")
        await asyncio.to_thread(plug_in, own_sound)
        await one.wait(DeviceChanged, 40, direction="input", condition="open")
        say(one, "again", "It works again.")
        assert (await one.wait(SayingEnded, 40, saying="again")).outcome == "drained"


def unplug(sound: SoundServer, name: str) -> None:
    """Take a device away, what hangs on it first."""
    for number in reversed(sound.modules(name)):
        sound.unload(number)


def plug_in(sound: SoundServer) -> None:
    """Bring the microphone back."""
    sound.load("module-null-sink", "sink_name=mic_feed")
    sound.load("module-remap-source", "master=mic_feed.monitor", "source_name=mic")


async def said_until_heard(
    one: Desk, sound: SoundServer, spoken: Callable[[str], Samples]
) -> TranscriptFinal:
    """Say the command, again when it is not heard: when the server hands a stream back nobody is told."""
    for _ in range(4):
        await asyncio.to_thread(sound.speak, spoken(f"Okay Nabu, {COMMAND}"))
        with contextlib.suppress(TimeoutError):
            return await one.wait(TranscriptFinal, 15)
    raise AssertionError("it stayed deaf")


def say(one: Desk, name: str, text: str) -> None:
    """Have something said."""
    one.client.send(SayBegin(saying=name))
    one.client.send(SayAppend(saying=name, text=text))
    one.client.send(SayEnd(saying=name))


async def test_it_does_not_obey_itself(own_sound: SoundServer, voice_models) -> None:
    own_sound.load("module-loopback", "source=speaker.monitor", "sink=mic_feed", "latency_msec=20")
    async with desk(voice_models) as one:
        await one.wait(DeviceChanged, direction="input", condition="open")
        with own_sound.recording("mic_feed") as microphone:
            for order in (
                SayBegin(saying="own"),
                SayAppend(saying="own", text="Say okay nabu, turn on the light in the kitchen."),
                SayEnd(saying="own"),
            ):
                one.client.send(order)
            assert (await one.wait(SayingEnded, saying="own")).outcome == "drained"
            await asyncio.sleep(0.5)
        assert abs(microphone.samples.astype(int)).max() > 3_000, "it did hear itself"
        assert one.all(WakeHeard) == []
        assert one.all(TranscriptFinal) == []


async def test_a_voice_that_is_missing_is_named_and_another_engine_speaks(
    sound: SoundServer, voice_models
) -> None:
    async with desk(voice_models, input="off", voice="piper-xx-nobody-low") as one:
        with sound.recording() as recording:
            for order in (
                SayBegin(saying="s"),
                SayAppend(saying="s", text="The bread is in the oven."),
                SayEnd(saying="s"),
            ):
                one.client.send(order)
            assert (await one.wait(SayingEnded, saying="s")).outcome == "drained"
        piper = next(each.engine for each in one.all(EngineChanged) if each.engine.name == "piper")
        assert not piper.usable
        assert "piper-xx-nobody-low" in piper.reason
        assert (abs(recording.samples.astype(int)) > 300).sum() > RATE_HZ / 4


async def test_without_any_voice_what_should_be_said_fails_at_once(sound: SoundServer, voice_models) -> None:
    async with desk(voice_models, input="off", voice="piper-xx-nobody-low", synthesizers=("piper",)) as one:
        for order in (SayBegin(saying="s"), SayAppend(saying="s", text="Hello."), SayEnd(saying="s")):
            one.client.send(order)
        ended = await one.wait(SayingEnded, saying="s")
        assert ended.outcome == "failed"
        assert "piper-xx-nobody-low" in ended.message
