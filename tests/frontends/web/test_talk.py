"""What is said into a page, against a scripted assistant and scripted ears."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest

from edge_assistant.errors import SpeechError
from edge_assistant.frontends.web.talk import LONGEST_SECONDS
from edge_assistant.speech.protocol import Sound
from tests.frontends.web.conftest import Site, read_until, until
from tests.frontends.web.scripted import ScriptedAssistant

START = {"type": "audio.start", "id": "t1", "session": "s1"}
QUARTER = b"\x01\x00" * 4000


class ScriptedVoice:
    """Understands the number of samples, and says each letter as one sample."""

    language = "en"
    report = None

    def __init__(self) -> None:
        self.speech = self
        self.mute = False
        self.deaf = False

    async def transcribe(self, sound: AsyncIterator[bytes], sample_rate_hz: int) -> AsyncIterator[str]:
        count = 0
        async for pcm in sound:
            count += len(pcm) // 2
            yield f"{count} samples"
        yield "" if self.deaf else f"{count} samples"

    async def synthesize(self, text: str, voice: str = "", speed: float = 1.0) -> AsyncIterator[Sound]:
        if self.mute:
            raise SpeechError("NO_SYNTHESIZER", "no voice")
        yield Sound(b"\x05\x00" * len(text), 22_050)


@pytest.fixture
def voice() -> ScriptedVoice:
    return ScriptedVoice()


@pytest.fixture
async def talking(serve: Callable[..., Any], voice: ScriptedVoice) -> Site:
    site: Site = await serve(voice=voice)
    return site


async def say(socket: aiohttp.ClientWebSocketResponse, turn_id: str = "t1", pieces: int = 2) -> None:
    await socket.send_json({"type": "audio.start", "id": turn_id, "session": "s1"})
    for _ in range(pieces):
        await socket.send_bytes(QUARTER)
    await socket.send_json({"type": "audio.end", "id": turn_id})


async def hear(socket: aiohttp.ClientWebSocketResponse) -> tuple[list[dict[str, Any]], bytes]:
    """Return what came until the spoken answer ended, and its sound."""
    events, sound = [], b""
    while True:
        frame = await socket.receive(timeout=60)
        if frame.type is not aiohttp.WSMsgType.BINARY:
            events.append(json.loads(frame.data))
            continue
        assert frame.data[:4] == b"\x01\x00\x00\x00"
        if len(frame.data) == 4:
            return events, sound
        sound += frame.data[4:]


async def test_what_was_said_is_asked_and_the_answer_is_spoken(talking: Site, assistant: ScriptedAssistant):
    assistant.script = ("It is ", "blue. ", "Very.")
    async with talking.socket() as socket:
        await say(socket)
        events, sound = await hear(socket)
    types = [each["type"] for each in events]
    assert types[:3] == ["transcript.partial", "transcript.partial", "transcript.final"]
    assert [each["text"] for each in events[:3]] == ["4000 samples", "8000 samples", "8000 samples"]
    assert {each["id"] for each in events} == {"t1"}
    begin = next(each for each in events if each["type"] == "audio.begin")
    assert (begin["stream"], begin["rate"]) == (1, 22_050)
    assert len(sound) == 2 * (len("It is blue.") + len("Very."))
    request = assistant.requests[0]
    assert (request.text, request.session, request.source) == ("8000 samples", "s1", "web")
    assert request.principal.id == "owner"


async def test_an_answer_that_cannot_be_spoken_is_still_written(
    talking: Site, voice: ScriptedVoice, assistant: ScriptedAssistant
):
    voice.mute = True
    assistant.script = ("It is blue.",)
    async with talking.socket() as socket:
        await say(socket)
        assert (await read_until(socket, "turn.finished"))[-1]["text"] == "It is blue."


async def test_stop_ends_the_turn_and_the_voice(talking: Site, assistant: ScriptedAssistant):
    async with talking.socket() as socket:
        await say(socket)
        await read_until(socket, "turn.started")
        await socket.send_json({"type": "stop", "id": "t1"})
        assert (await read_until(socket, "turn.finished"))[-1]["status"] == "interrupted"


async def test_stop_before_anything_was_understood_asks_nothing(talking: Site, assistant: ScriptedAssistant):
    async with talking.socket() as socket:
        await socket.send_json({"type": "audio.start", "id": "t1", "session": "s1"})
        await socket.send_bytes(QUARTER)
        await read_until(socket, "transcript.partial")
        await socket.send_json({"type": "stop", "id": "t1"})
        await say(socket, "t2")
        assert (await read_until(socket, "turn.started"))[-1]["id"] == "t2"
    assert [each.id for each in assistant.requests] == ["t2"]


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([{"type": "audio.end", "id": "t1"}], "AUDIO_NOT_OPEN"),
        ([START, {"type": "audio.end", "id": "t2"}], "AUDIO_NOT_OPEN"),
        ([START, {**START, "id": "t2"}], "AUDIO_ALREADY_OPEN"),
        ([QUARTER], "PROTOCOL_UNEXPECTED_BINARY"),
        ([{**START, "id": "t 1"}], "PROTOCOL_BAD_FIELD"),
    ],
)  # fmt: skip
async def test_sound_that_does_not_fit_is_refused(talking: Site, frames: list[Any], code: str):
    async with talking.socket() as socket:
        for each in frames:
            await (socket.send_bytes(each) if isinstance(each, bytes) else socket.send_json(each))
        assert (await read_until(socket, "error"))[-1]["code"] == code


async def test_more_than_a_minute_is_refused_and_asks_nothing(talking: Site, assistant: ScriptedAssistant):
    async with talking.socket() as socket:
        await socket.send_json({"type": "audio.start", "id": "t1", "session": "s1"})
        for _ in range(round(LONGEST_SECONDS) + 1):
            await socket.send_bytes(QUARTER * 4)
        refused = (await read_until(socket, "error"))[-1]
        assert (refused["code"], refused["id"]) == ("AUDIO_TOO_LONG", "t1")
    assert assistant.requests == []


async def test_silence_is_told_and_asks_nothing(talking: Site, voice: ScriptedVoice, assistant: Any):
    voice.deaf = True
    async with talking.socket() as socket:
        await say(socket)
        assert (await read_until(socket, "error"))[-1]["code"] == "NOTHING_HEARD"
    assert assistant.requests == []


async def test_a_device_without_voice_says_so(site: Site):
    async with site.socket() as socket:
        await socket.send_json({"type": "audio.start", "id": "t1", "session": "s1"})
        assert (await read_until(socket, "error"))[-1]["code"] == "VOICE_DISABLED"


async def test_a_page_that_leaves_while_it_speaks_leaves_nothing_behind(talking: Site):
    async with talking.socket() as socket:
        await socket.send_json({"type": "audio.start", "id": "t1", "session": "s1"})
        await socket.send_bytes(QUARTER)
        await read_until(socket, "transcript.partial")
    await until(lambda: len(talking.server._sockets) == 0)
