"""What the device says of its own accord."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from edge_assistant.config.schema import VoiceSettings
from edge_assistant.errors import EdgeError
from edge_assistant.frontends.voice.announcements import LONGEST, MOST
from edge_assistant.frontends.voice.bell import VoiceBell
from edge_assistant.speech.wire import PlayEarcon, SayBegin, SetThreshold, SetVolume, StopHeard, WakeHeard
from edge_assistant.tools.timer import Ringing, Timer
from edge_assistant.tools.timer_words import announcement
from tests.frontends.voice.scripted import ScriptedSpeech, TalkedTo
from tests.frontends.voice.test_voice import Scene
from tests.frontends.web.conftest import until

PASTA = Timer(id="t", principal="household", kind="timer", label="pasta")


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene(TalkedTo(), ScriptedSpeech(), VoiceSettings())
    await scene.voice.start()
    yield scene
    await scene.voice.stop()


def announce(scene, text="Dinner is ready."):
    return asyncio.ensure_future(scene.voice.announce(text))


async def test_an_announcement_is_said_after_a_sign_and_told_when_it_was_heard(scene):
    said = announce(scene)
    await until(lambda: scene.speech.said_all)
    assert [e.earcon for e in scene.speech.sent_of(PlayEarcon)] == ["heard"]
    assert scene.speech.spoken == ["Dinner is ready."]
    scene.speech.play()
    assert scene.phase == "speaking"
    assert not said.done()
    scene.speech.silence(16)
    assert await said == "drained"
    assert scene.phase == "idle"


async def test_stop_silences_it(scene):
    stopped = []
    scene.voice.when_stopped(lambda: stopped.append(1))
    said = announce(scene)
    await until(lambda: scene.speech.said_all)
    scene.speech.play()
    scene.speech.emit(StopHeard(word="stop", at=1.0))
    assert scene.speech.told_to_stop
    scene.speech.silence(3, "stopped")
    assert (await said, stopped) == ("stopped", [1])


async def test_nobody_is_disturbed_who_does_not_want_to_be(scene):
    scene.voice.configure(VoiceSettings(quiet=True))
    with pytest.raises(EdgeError, match="VOICE_QUIET"):
        await scene.voice.announce("Dinner is ready.")


async def test_too_much_is_refused(scene):
    with pytest.raises(EdgeError, match="SAYING_TOO_LONG"):
        await scene.voice.announce("x" * (LONGEST + 1))
    waiting = [announce(scene, f"Number {n}.") for n in range(MOST)]
    await until(lambda: len(scene.speech.sent_of(SayBegin)) == MOST)
    with pytest.raises(EdgeError, match="SPEECH_BUSY"):
        await scene.voice.announce("One more.")
    for task in waiting:
        task.cancel()


async def test_what_cannot_be_said_ends_at_once(scene):
    assert await scene.voice.announce("   ") == "nothing"
    scene.speech.gone = True
    with pytest.raises(EdgeError, match="SPEECH_UNAVAILABLE"):
        await scene.voice.announce("Hello.") if scene.speech.send(SetVolume(volume=1)) else None


async def test_volume_and_threshold_reach_the_worker_when_they_change(scene):
    scene.voice.configure(VoiceSettings(volume=0.4, wake_threshold=0.9))
    scene.voice.configure(VoiceSettings(volume=0.4, wake_threshold=0.9))
    assert scene.speech.sent_of(SetVolume) == [SetVolume(volume=0.4)]
    assert scene.speech.sent_of(SetThreshold) == [SetThreshold(threshold=0.9)]


async def test_who_listens_is_told_of_the_wake_word(scene):
    woken = []
    scene.voice.when_woken(lambda: woken.append(1))
    scene.speech.emit(WakeHeard(word="okay_nabu", score=0.99, at=1.0))
    assert woken == [1]


async def test_a_timer_rings_again_and_again_until_somebody_takes_note(scene):
    bell = VoiceBell(scene.voice.announcements, "en", every_seconds=0.0)
    bell.ring(Ringing(timer=PASTA, late_seconds=0.01))
    for count in (1, 2, 3):
        await until(lambda count=count: len(scene.speech.sent_of(SayBegin)) == count)
        scene.speech.play()
        scene.speech.silence(10)
    assert all(begin.urgent for begin in scene.speech.sent_of(SayBegin))
    assert [e.earcon for e in scene.speech.sent_of(PlayEarcon)][:3] == ["timer"] * 3
    assert " ".join(scene.speech.spoken[:2]) == "Your timer is done: pasta."
    bell.still(PASTA)
    assert not bell.stop()
    await bell.close()


async def test_a_timer_that_was_missed_is_told_once(scene):
    bell = VoiceBell(scene.voice.announcements, "en", every_seconds=0.0)
    bell.ring(Ringing(timer=PASTA, late_seconds=7300))
    await until(lambda: scene.speech.said_all)
    scene.speech.play()
    scene.speech.silence(10)
    await until(lambda: not bell._rings)
    assert " ".join(scene.speech.spoken) == "While I was away, 2 hours ago: Your timer is done: pasta."
    await bell.close()


def test_what_rings_is_said_in_the_language_of_the_house():
    ringing = Ringing(timer=PASTA, late_seconds=0)
    assert announcement(ringing, "de-CH") == "Der Timer ist abgelaufen: pasta."
    assert announcement(ringing, "fr") == "Your timer is done: pasta."
    assert announcement(Ringing(timer=PASTA, late_seconds=61), "de").startswith(
        "Während ich weg war, vor 1 Minute: "
    )
