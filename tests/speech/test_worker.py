"""The whole worker on a virtual microphone and speaker: nothing in it is a fake."""

from __future__ import annotations

import asyncio

import psutil

from edge_assistant.speech.wire import (
    DeviceChanged,
    Failed,
    Listen,
    ListeningBegan,
    ListeningEnded,
    Ready,
    SayAppend,
    SayBegin,
    SayEnd,
    SayingBegan,
    SayingEnded,
    TranscriptFinal,
    WakeHeard,
)
from tests.hearing import begins_like, sounds_like
from tests.speech.conftest import desk


def say(client, saying, *texts):
    client.send(SayBegin(saying=saying))
    for text in texts:
        client.send(SayAppend(saying=saying, text=text))
    client.send(SayEnd(saying=saying))


async def test_a_command_said_in_one_breath_with_the_wake_word_loses_no_word(sound, voice_models, spoken):
    async with desk(voice_models, output="off") as one:
        await one.wait(DeviceChanged, direction="input", condition="open")
        await asyncio.to_thread(sound.speak, spoken("Okay Nabu, turn on the light in the kitchen."))
        final = await one.wait(TranscriptFinal)
        assert begins_like(final.text, "turn on the light in the kitchen")
        assert final.wake_confirmed
        assert (await one.wait(WakeHeard)).word == "okay_nabu"
        assert (await one.wait(ListeningEnded)).outcome == "heard"


async def test_what_is_said_is_heard_from_the_speaker_and_its_end_is_known(sound, voice_models, written):
    async with desk(voice_models, input="off") as one:
        with sound.recording() as recording:
            say(one.client, "s1", "The kitchen light is on,", "and the window is open.")
            began = await one.wait(SayingBegan, saying="s1")
            ended = await one.wait(SayingEnded, saying="s1")
            await asyncio.sleep(0.3)
        assert ended.outcome == "drained"
        assert ended.characters == len("The kitchen light is on,and the window is open.")
        assert sounds_like(written(recording.samples), "kitchen light is on and the window is open")
        loud = abs(recording.samples.astype(int)) > 300
        last = recording.began + loud.nonzero()[0][-1] / 16_000
        assert -0.1 < ended.at - last < 0.6
        assert began.at < ended.at


async def test_an_utterance_that_was_asked_for_ends_when_nobody_speaks(sound, voice_models):
    async with desk(voice_models, output="off") as one:
        await one.wait(DeviceChanged, direction="input", condition="open")
        one.client.send(Listen(utterance="asked", no_speech_seconds=0.5))
        assert (await one.wait(ListeningBegan)).cause == "asked"
        assert (await one.wait(ListeningEnded, utterance="asked")).outcome == "nothing"


async def test_at_rest_there_is_no_process_and_everybody_is_told_and_then_it_works_again(voice_models):
    async with desk(voice_models, input="off", output="off") as one:
        pid = one.client.worker_state.pid
        await one.client.rest("too hot")
        assert one.client.status.phase == "stopped"
        assert not psutil.pid_exists(pid)
        assert (await one.wait(Failed)).message == "too hot"
        one.events.clear()
        await one.client.start()
        await one.wait(Ready)
        assert one.client.status.phase == "ready"
