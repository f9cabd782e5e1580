from __future__ import annotations

import json

import aiohttp
import pytest

from edge_assistant.errors import BusyError
from tests.frontends.web.conftest import read_until

STREAM = {"Accept": "text/event-stream"}


def parse(body: bytes) -> list[tuple[str, int, dict]]:
    events = []
    for block in body.decode().strip().split("\n\n"):
        if block.startswith(":"):
            continue
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        events.append((fields["event"], int(fields["id"]), json.loads(fields["data"])))
    return events


async def test_the_stream_has_the_same_events_as_the_websocket(site, assistant):
    assistant.script = ("one\n\n", "two\r\n", "drei – ☃")
    person = await site.sign_in()
    async with person.post("/api/chat", json={"text": "x", "id": "t1"}, headers=STREAM) as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        events = parse(await response.read())
    async with site.socket() as socket:
        await socket.send_json({"type": "resume", "id": "t1"})
        frames = await read_until(socket, "turn.finished")
    assert [data for _, _, data in events] == frames
    assert [(kind, number) for kind, number, _ in events] == [(each["type"], each["seq"]) for each in frames]


async def test_events_are_streamed_as_they_happen(site, assistant):
    person = await site.sign_in()
    async with person.post("/api/chat", json={"text": "x", "id": "t1"}, headers=STREAM) as response:
        assert b"turn.started" in await response.content.readuntil(b"\n\n")
        assistant.say("t1", "now")
        assert b'"now"' in await response.content.readuntil(b"\n\n")
        assistant.finish("t1")
        assert b"turn.finished" in await response.content.read()


async def test_a_client_that_comes_back_goes_on_after_its_last_event(site, assistant):
    assistant.script = ("a", "b", "c")
    person = await site.sign_in()
    headers = {**STREAM, "Last-Event-ID": "2"}
    async with person.post("/api/chat", json={"text": "x", "id": "t1"}, headers=headers) as response:
        assert [number for _, number, _ in parse(await response.read())] == [3, 4, 5]
    async with person.post("/api/chat", json={"text": "x"}, headers={**STREAM, "Last-Event-ID": "x"}) as bad:
        assert bad.status == 400


async def test_a_client_that_leaves_does_not_stop_the_turn(site, assistant):
    person = await site.sign_in()
    async with person.post("/api/chat", json={"text": "x", "id": "t1"}, headers=STREAM) as response:
        await response.content.readuntil(b"\n\n")
    for _ in range(5):
        assistant.say("t1", "more")
    assistant.finish("t1")
    assert assistant.stopped == []
    async with person.post("/api/chat", json={"text": "x", "id": "t1"}) as response:
        assert (await response.json())["text"] == "more" * 5


async def test_without_streaming_the_finished_answer_comes_as_one_object(site, assistant):
    assistant.script = ("Hel", "lo")
    person = await site.sign_in()
    async with person.post("/api/chat", json={"text": "x"}) as response:
        assert response.content_type == "application/json"
        answer = await response.json()
    request = assistant.requests[0]
    assert answer["text"] == "Hello"
    assert (answer["id"], answer["session"]) == (request.id, request.session)
    assert answer["route"]["model"] == "scripted"


async def test_a_failed_turn_is_an_error_with_a_hint_when_to_come_back(site, assistant):
    assistant.script = ()
    person = await site.sign_in()
    assistant.finish = lambda turn_id: assistant.fail(turn_id, "MODEL_GONE", retry_after=3)
    async with person.post("/api/chat", json={"text": "x"}) as response:
        assert response.status == 503
        assert response.headers["Retry-After"] == "3"
        assert (await response.json())["error"]["code"] == "MODEL_GONE"


async def test_overload_is_refused_with_a_hint(site, assistant):
    assistant.error = BusyError("BUSY", "too many people ask at once", retry_after=2.5)
    person = await site.sign_in()
    for headers in ({}, STREAM):
        async with person.post("/api/chat", json={"text": "x"}, headers=headers) as response:
            assert response.status == 503
            assert response.headers["Retry-After"] == "3"


@pytest.mark.parametrize(
    "body",
    [
        {"text": ""},
        {"text": 1},
        {"text": "x" * 32_001},
        {"text": "x", "id": "a b"},
        {"text": "x", "session": ""},
    ],
)
async def test_a_bad_question_says_what_is_wrong(site, body, assistant):
    person = await site.sign_in()
    async with person.post("/api/chat", json=body) as response:
        assert response.status == 400
        assert (await response.json())["error"]["code"] == "WEB_BAD_FIELD"
    assert assistant.requests == []


async def test_stopping_the_server_ends_streams_soon(site, assistant):
    person = await site.sign_in()
    async with person.post("/api/chat", json={"text": "x", "id": "t1"}, headers=STREAM) as response:
        await response.content.readuntil(b"\n\n")
        await site.server.stop()
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.content.readexactly(1)
    assert assistant.stopped == []
