from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest

from edge_assistant.assistant.events import TurnFailed
from edge_assistant.assistant.request import Principal
from edge_assistant.assistant.text import MAX_TEXT_CHARACTERS
from edge_assistant.assistant.turn import Turn
from edge_assistant.errors import BusyError, EdgeError
from edge_assistant.frontends.web.ws import MAX_RECEIVED_BYTES, Limits
from tests.frontends.web.conftest import read_until, until
from tests.frontends.web.raw import CLOSE, PING, PONG, TEXT, frame, raw_socket

ENDED = ("turn.finished", "turn.failed", "error")


def message(turn_id: str = "t1", session: str = "s1", text: str = "hello") -> dict[str, str]:
    return {"type": "message", "id": turn_id, "session": session, "text": text}


def numbers(frames):
    return [each["seq"] for each in frames]


async def test_a_message_is_answered_by_the_events_of_its_turn(site, assistant):
    assistant.script = ("Hel", "lo")
    async with site.socket() as socket:
        await socket.send_json(message())
        frames = await read_until(socket, *ENDED)
    assert [each["type"] for each in frames] == ["turn.started", "text.delta", "text.delta", "turn.finished"]
    assert numbers(frames) == [1, 2, 3, 4]
    assert {each["id"] for each in frames} == {"t1"}
    assert frames[-1]["text"] == "Hello"
    request = assistant.requests[0]
    assert (request.text, request.session, request.source) == ("hello", "s1", "web")
    assert request.principal.id == "owner", "from the sign-in, not from the payload"


async def test_each_event_is_sent_as_it_happens(site, assistant):
    async with site.socket() as socket:
        await socket.send_json(message())
        assert (await socket.receive_json(timeout=60))["type"] == "turn.started"
        for number in range(20):
            assistant.say("t1", f"word {number} ")
            received = await socket.receive_json(timeout=60)
            assert received["text"] == f"word {number} "
        assistant.finish("t1")
        assert (await socket.receive_json(timeout=60))["type"] == "turn.finished"


async def test_turns_of_several_sessions_interleave(site, assistant):
    async with site.socket() as socket:
        for each in ("a", "b", "c"):
            await socket.send_json(message(each, f"s-{each}"))
            await read_until(socket, "turn.started")
        for number in range(5):
            for each in ("a", "b", "c"):
                assistant.say(each, str(number))
        frames = [await socket.receive_json(timeout=60) for _ in range(15)]
    for each in ("a", "b", "c"):
        own = [frame for frame in frames if frame["id"] == each]
        assert numbers(own) == [2, 3, 4, 5, 6]


async def test_two_watchers_see_the_same(site, assistant):
    async with site.socket() as one, site.socket() as two:
        await one.send_json(message())
        await read_until(one, "turn.started")
        await two.send_json({"type": "resume", "id": "t1"})
        await read_until(two, "turn.started")
        assistant.say("t1", "a", "b", "c")
        assistant.finish("t1")
        assert await read_until(one, *ENDED) == await read_until(two, *ENDED)


@pytest.mark.parametrize("after", [0, 1, 3, 6, 7])
async def test_resuming_after_n_has_no_gap_and_no_duplicate(site, assistant, after):
    async with site.socket() as socket:
        await socket.send_json(message())
        await read_until(socket, "turn.started")
    assistant.say("t1", "a", "b", "c")
    async with site.socket() as socket:
        await socket.send_json({"type": "resume", "id": "t1", "after": after})
        await until(lambda: len(site.server._sockets) == 1)
        assistant.say("t1", "d", "e", "f")
        assistant.finish("t1")
        frames = await read_until(socket, *ENDED)
    assert numbers(frames) == list(range(after + 1, 9))


async def test_a_turn_goes_on_when_its_page_is_closed(site, assistant):
    async with site.socket() as socket:
        await socket.send_json(message())
        await read_until(socket, "turn.started")
    await until(lambda: len(site.server._sockets) == 0)
    assistant.say("t1", "still here")
    assistant.finish("t1")
    assert assistant.stopped == []
    async with site.socket() as socket:
        await socket.send_json({"type": "resume", "id": "t1", "after": 1})
        assert (await read_until(socket, *ENDED))[-1]["text"] == "still here"


async def test_a_repeated_id_attaches_again_and_runs_nothing(site, assistant):
    async with site.socket() as socket:
        await socket.send_json(message())
        await read_until(socket, "turn.started")
        assistant.say("t1", "once")
        await read_until(socket, "text.delta")
        await socket.send_json(message())
        frames = await read_until(socket, "text.delta")
        assistant.finish("t1")
        frames += await read_until(socket, *ENDED)
    assert numbers(frames) == [1, 2, 3]
    assert len(assistant.requests) == 1


async def test_stop_ends_a_turn_and_its_watchers_see_it(site, assistant):
    async with site.socket() as socket:
        await socket.send_json(message())
        await read_until(socket, "turn.started")
        assistant.say("t1", "so far")
        await socket.send_json({"type": "stop", "id": "t1"})
        last = (await read_until(socket, *ENDED))[-1]
    assert (last["status"], last["text"]) == ("interrupted", "so far")
    assert assistant.stopped == ["t1"]


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ("", "PROTOCOL_BAD_JSON"),
        ("{", "PROTOCOL_BAD_JSON"),
        ("[]", "PROTOCOL_BAD_FIELD"),
        ("null", "PROTOCOL_BAD_FIELD"),
        ("{}", "PROTOCOL_UNKNOWN_TYPE"),
        ('{"type": "dance"}', "PROTOCOL_UNKNOWN_TYPE"),
        ('{"type": 7}', "PROTOCOL_UNKNOWN_TYPE"),
        ('{"type": "stop"}', "PROTOCOL_BAD_FIELD"),
        ('{"type": "stop", "id": "../x"}', "PROTOCOL_BAD_FIELD"),
        ('{"type": "stop", "id": "none"}', "TURN_NOT_FOUND"),
        ('{"type": "resume", "id": "none"}', "TURN_NOT_FOUND"),
        ('{"type": "resume", "id": "none", "after": -1}', "PROTOCOL_BAD_FIELD"),
        ('{"type": "confirm", "id": "t", "action": "a", "approve": true}', "NOTHING_TO_CONFIRM"),
        (json.dumps(message(text="")), "PROTOCOL_BAD_FIELD"),
        (json.dumps(message() | {"attachments": [{"name": "x"}]}), "ATTACHMENTS_NOT_AVAILABLE"),
        (json.dumps(message(text="x" * (MAX_TEXT_CHARACTERS + 1))), "PROTOCOL_TEXT_TOO_LONG"),
        (json.dumps(message(text="x" * 1_000_000)), "PROTOCOL_TOO_LARGE"),
        (json.dumps(message(text="x" * 1_048_576)), "PROTOCOL_TOO_LARGE"),
        ('{"x": ' + "[" * 100_000, "PROTOCOL_BAD_JSON"),
    ],
)
async def test_a_wrong_message_is_refused_and_the_socket_lives_on(site, assistant, sent, code):
    assistant.script = ("fine",)
    async with site.socket() as socket:
        await socket.send_str(sent)
        refused = await socket.receive_json(timeout=60)
        assert (refused["type"], refused["code"]) == ("error", code)
        assert refused["message"]
        await socket.send_json(message())
        assert (await read_until(socket, *ENDED))[-1]["text"] == "fine"
    assert len(assistant.requests) == 1


async def test_a_binary_frame_is_refused_and_the_socket_lives_on(site):
    async with site.socket() as socket:
        await socket.send_bytes(b"\0" * 320)
        assert (await socket.receive_json(timeout=60))["code"] == "PROTOCOL_UNEXPECTED_BINARY"
        assert not socket.closed


async def test_invalid_utf8_is_refused_and_the_socket_lives_on(site):
    async with raw_socket(site.host, await site.cookie()) as socket:
        for payload in (b'{"type": "\xff"}', b'{"type":"stop","id":"t","x":"\xed\xa0\x80"}'):
            await socket.send(frame(payload))
            opcode, answer = await socket.receive()
            assert (opcode, json.loads(answer)["code"]) == (TEXT, "PROTOCOL_BAD_UTF8")
        await socket.send(frame(b"still there?", PING))
        assert await socket.receive() == (PONG, b"still there?")


HALF_TOO_LARGE = frame(b"x" * (MAX_RECEIVED_BYTES // 2 + 1), first=0)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(b"{}", first=0xF0), 1002),  # reserved bits
        (frame(b"{}", opcode=5), 1002),  # unknown opcode
        (frame(b"x", opcode=PING, first=0), 1002),  # a control frame in pieces
        (frame(b"x" * 126, opcode=PING), 1002),  # a control frame too long
        (frame(b"{}", opcode=0), 1002),  # a continuation of nothing
        (frame(b"x" * (MAX_RECEIVED_BYTES + 1)), 1009),
        (HALF_TOO_LARGE + frame(b"x" * (MAX_RECEIVED_BYTES // 2 + 1), opcode=0, first=0), 1009),
        (frame(b"\x03", opcode=CLOSE), 1002),
    ],
    ids=[
        "reserved bits",
        "opcode",
        "split ping",
        "long ping",
        "continuation",
        "too large",
        "pieces",
        "close",
    ],
)
async def test_a_malformed_frame_closes_this_socket_only(site, assistant, sent, code):
    async with site.socket() as other, raw_socket(site.host, await site.cookie()) as socket:
        await socket.send(sent)
        assert await socket.close_code() == code
        assistant.script = ("fine",)
        await other.send_json(message())
        assert (await read_until(other, *ENDED))[-1]["text"] == "fine"


async def test_a_message_in_pieces_is_put_together(site, assistant):
    assistant.script = ("fine",)
    data = json.dumps(message()).encode()
    async with raw_socket(site.host, await site.cookie()) as socket:
        await socket.send(frame(data[:9], first=0) + frame(data[9:20], opcode=0, first=0))
        await socket.send(frame(data[20:], opcode=0))
        assert json.loads((await socket.receive())[1])["type"] == "turn.started"


async def test_half_a_frame_harms_nobody(site):
    async with raw_socket(site.host, await site.cookie()) as socket:
        await socket.send(frame(b"x" * 100)[:50])
    await until(lambda: len(site.server._sockets) == 0)


async def test_what_the_assistant_refuses_names_the_turn_and_when_to_come_back(site, assistant):
    assistant.error = BusyError("BUSY", "too many people ask at once", retry_after=7)
    async with site.socket() as socket:
        await socket.send_json(message())
        refused = await socket.receive_json(timeout=60)
    expected = {"type": "error", "code": "BUSY", "message": "too many people ask at once"}
    assert refused == {**expected, "id": "t1", "retry_after": 7}


async def test_a_defect_shows_no_text_of_people_and_leaves_the_socket_open(site, assistant, caplog):
    assistant.error = ValueError("my secret")
    async with site.socket() as socket:
        await socket.send_json(message(text="my secret"))
        refused = await socket.receive(timeout=60)
        assert json.loads(refused.data)["code"] == "INTERNAL"
        assert "secret" not in refused.data
        assistant.error = None
        await socket.send_json(message())
        await read_until(socket, "turn.started")
    assert "ValueError" in caplog.text
    assert "secret" not in caplog.text


async def test_a_turn_that_fails_says_so(site, assistant):
    async with site.socket() as socket:
        await socket.send_json(message())
        await read_until(socket, "turn.started")
        assistant.fail("t1", "MODEL_GONE")
        assert (await read_until(socket, *ENDED))[-1]["code"] == "MODEL_GONE"


async def test_one_socket_watches_a_limited_number_of_turns(serve, assistant):
    site = await serve(Limits(turns_per_socket=2))
    async with site.socket() as socket:
        for each in ("a", "b"):
            await socket.send_json(message(each))
            await read_until(socket, "turn.started")
        await socket.send_json(message("c"))
        refused = await socket.receive_json(timeout=60)
        assert (refused["code"], refused["id"]) == ("WEB_TOO_MANY_TURNS", "c")
        assert "c" not in assistant.turns
        assistant.finish("a")
        await read_until(socket, "turn.finished")
        await socket.send_json(message("c"))
        await read_until(socket, "turn.started")


async def test_one_server_serves_a_limited_number_of_sockets(serve):
    site = await serve(Limits(sockets=2))
    async with site.socket(), site.socket():
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with site.socket():
                pass
        assert refused.value.status == 503
        assert refused.value.headers["Retry-After"] == "10"
    await until(lambda: len(site.server._sockets) == 0)
    async with site.socket():
        pass


async def test_two_hundred_sockets_at_once_all_see_the_answer(site, assistant):
    browser = await site.sign_in()
    sockets = await asyncio.gather(*(browser.ws_connect("/api/ws") for _ in range(200)))
    await sockets[0].send_json(message())
    await read_until(sockets[0], "turn.started")
    await asyncio.gather(*(socket.send_json({"type": "resume", "id": "t1"}) for socket in sockets[1:]))
    await asyncio.gather(*(read_until(socket, "turn.started") for socket in sockets[1:]))
    assistant.say("t1", *"abc")
    assistant.finish("t1")
    answers = await asyncio.gather(*(read_until(socket, *ENDED) for socket in sockets))
    assert all(numbers(frames) == [2, 3, 4, 5] for frames in answers)
    await asyncio.gather(*(socket.close() for socket in sockets))
    await until(lambda: len(site.server._sockets) == 0)


async def test_stopping_the_server_closes_sockets_with_a_reason(site, assistant):
    async with site.socket() as socket:
        await socket.send_json(message())
        await read_until(socket, "turn.started")
        closing = asyncio.create_task(site.server.stop())
        last = await socket.receive(timeout=60)
        assert (last.type, last.data) == (aiohttp.WSMsgType.CLOSE, 1001)
        assert last.extra == "the assistant is stopping"
        await closing
    assert assistant.stopped == [], "turns belong to the assistant"


async def test_a_plain_get_of_the_socket_is_a_clear_error(site):
    browser = await site.sign_in()
    async with browser.get("/api/ws") as response:
        assert response.status == 400
        assert "message" in (await response.json())["error"]


async def test_an_error_while_watching_is_told(site, assistant, monkeypatch):
    async with site.socket() as socket:
        await socket.send_json(message())
        await read_until(socket, "turn.started")

        async def broken(after):
            raise EdgeError("STORE_DAMAGED", "the database is damaged")
            yield

        monkeypatch.setattr(assistant.turns["t1"], "events", broken)
        await socket.send_json({"type": "resume", "id": "t1"})
        refused = await socket.receive_json(timeout=60)
        assert (refused["code"], refused["id"]) == ("STORE_DAMAGED", "t1")


async def test_who_sees_a_conversation_hears_of_answers_that_no_page_asked_for_and_nobody_else_does(
    site, assistant
):
    users = site.people.users
    others = [(await users.add(name, role)).id for name, role in (("Mia", "member"), ("Gus", "guest"))]
    people = [await site.sign_in(who) for who in ("owner", *others)]
    sockets = [await each.ws_connect("/api/ws") for each in people]
    await until(lambda: len(site.server._sockets) == 3)
    for turn_id, source, line in (
        ("own", "cloud", ("owner", "private")),
        ("all", "voice", ("household", "shared")),
        ("web", "web", ("owner", "page")),
        ("api", "api", ("owner", "program")),
    ):
        turn = Turn(turn_id, line[1], Principal("owner", "owner"), source)
        turn.line = line
        assistant.turns[turn_id] = turn
        site.server.turn_ended(turn)  # it has just begun: nobody is told
        turn.append(TurnFailed(id=turn_id, seq=1, code="X", message="x"))
        site.server.turn_ended(turn)
    for socket in sockets:  # what comes before the answer to this was told
        await socket.send_json({"type": "resume", "id": "none", "after": 0})
    heard = [await read_until(socket, "error") for socket in sockets]
    told = [
        sorted(each["session"] for each in frames if each["type"] == "session.changed") for frames in heard
    ]
    assert told == [["private", "shared"], ["shared"], []]
    for socket in sockets:
        await socket.close()
