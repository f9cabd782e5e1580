"""Whatever is sent to whatever route or socket: a clear refusal or an answer, never a defect."""

from __future__ import annotations

import json

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_assistant.assistant.assistant import Assistant
from edge_assistant.config import Config
from edge_assistant.config.schema import AssistantSettings
from tests.fakes import ScriptedModel
from tests.frontends.web.raw import CLOSE, PING, PONG, TEXT, frame, raw_socket

WORDS = (
    "token", "code", "name", "user", "role", "scopes", "title", "visibility", "text", "session", "id",
    "model", "messages", "input", "stream", "language", "persona",
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20)
    | st.sampled_from(["owner", "guest", "household", "private", "chat", "\x00", "\ud800", "a" * 600]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
BODIES = st.dictionaries(st.sampled_from(WORDS), VALUES, max_size=6).map(
    lambda body: json.dumps(body).encode()
) | st.binary(max_size=40)
PARTS = st.text(st.characters(exclude_characters="/"), min_size=1, max_size=20) | st.sampled_from(
    ["owner", "s1", "..", "%00", "%ff", "%2e%2e%2f", "a" * 300, "'; DROP TABLE users; --"]
)


@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
async def test_no_request_finds_a_defect(site, assistant, data):
    assistant.script = ("fine",)
    person = await site.sign_in()
    table = [(each.method, each.resource.canonical) for each in site.server._runner.app.router.routes()]
    calls = [each for each in table if each[1] != "/api/signout"]
    method, path = data.draw(st.sampled_from(sorted(set(calls))))
    path = path.replace("{id}", data.draw(PARTS)).replace("{name}", data.draw(PARTS))
    body = b"" if method in {"GET", "HEAD"} else data.draw(BODIES)
    headers = {"Content-Type": data.draw(st.sampled_from(["application/json", "text/plain", "x"]))}
    async with person.request(method, path, data=body or None, headers=headers) as response:
        assert response.status < 500 or response.status in {501, 503}, (
            method,
            path,
            body,
            await response.text(),
        )
        if response.status >= 400 and method != "HEAD":
            assert (await response.json())["error"].keys() >= {"code", "message"} or path.startswith("/v1/")


IDS = st.sampled_from(["t1", "t2", "s1", "s2", ""]) | st.text(max_size=4)
FIELDS = {
    "type": st.sampled_from(["message", "resume", "stop", "confirm", "audio.start", "audio.end", "dance"]),
    "id": IDS,
    "session": IDS,
    "text": st.text(max_size=30) | st.just("x" * 40_000),
    "after": st.integers(-2, 5) | st.just(2**70),
    "attachments": VALUES,
    "action": IDS,
    "approve": st.booleans() | VALUES,
    "replaces": IDS,
}
MESSAGES = (
    st.fixed_dictionaries({}, optional={name: each | VALUES for name, each in FIELDS.items()})
    | st.fixed_dictionaries(
        {name: FIELDS[name] for name in ("type", "id")},
        optional={name: FIELDS[name] for name in FIELDS if name not in {"type", "id"}},
    )
    | st.fixed_dictionaries(FIELDS)
).map(lambda message: json.dumps(message).encode())
FRAMES = st.one_of(
    MESSAGES.map(frame),
    st.binary(max_size=60).map(frame),
    MESSAGES.flatmap(lambda text: st.integers(0, len(text)).map(lambda cut: frame(text[:cut]))),
    st.tuples(
        st.binary(max_size=140), st.integers(0, 15), st.sampled_from([0x80, 0, 0xC0]), st.booleans()
    ).map(lambda parts: frame(*parts)),
    st.binary(max_size=30),
)


@pytest.fixture
async def cookie(site):
    return await site.cookie()


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(sent=st.lists(FRAMES, min_size=1, max_size=8))
async def test_no_frame_finds_a_defect(site, cookie, assistant, sent):
    assistant.script = ("fine",)
    async with raw_socket(site.host, cookie) as socket:
        await socket.send(b"".join(sent) + frame(b"the end", PING))
        socket.writer.write_eof()  # a frame that announced more than came ends here
        while True:
            opcode, payload = await socket.receive()
            if opcode == CLOSE or payload == b"the end":
                break
            assert opcode in {TEXT, PONG}
            if opcode == TEXT:
                event = json.loads(payload)
                assert event["type"]
                assert event.get("code") != "INTERNAL", sent


ROLES = st.sampled_from(["system", "developer", "user", "assistant", "tool", "function", "king"])
TOOLS = {
    "type": "function",
    "function": {"name": "go", "parameters": {"type": "object", "properties": {"x": {"type": "integer"}}}},
}
CHAT = st.fixed_dictionaries(
    {
        "model": st.just("scripted"),
        "messages": st.lists(
            st.fixed_dictionaries(
                {"role": ROLES, "content": st.text(max_size=20) | VALUES},
                optional={"tool_calls": VALUES, "tool_call_id": VALUES, "name": VALUES},
            ),
            min_size=1,
            max_size=5,
        ),
    },
    optional={
        "stream": st.booleans() | VALUES,
        "stream_options": st.just({"include_usage": True}) | VALUES,
        "max_tokens": st.integers(-1, 100) | VALUES,
        "temperature": st.floats(-1, 3) | VALUES,
        "seed": st.integers(-(2**64), 2**64) | VALUES,
        "stop": st.lists(st.text(max_size=3), max_size=5) | VALUES,
        "tools": st.lists(st.just(TOOLS) | VALUES, max_size=2),
        "tool_choice": st.sampled_from(["auto", "none", "required", "dance"]) | VALUES,
        "response_format": st.sampled_from([{"type": "json_object"}, {"type": "json_schema"}]) | VALUES,
        "frequency_penalty": st.floats(-3, 3) | VALUES,
    },
)


STEPS = st.lists(st.sampled_from(["<tool_call>", "{", '"name"', ": ", '"go"', "}", "\n", "a"]), max_size=6)


@pytest.fixture
async def program(serve, conversations):
    """A program, and the model behind the assistant that it asks."""
    model = ScriptedModel()
    assistant = Assistant(Config(assistant=AssistantSettings(answers_per_minute=0)), conversations, model)
    site = await serve(answers=assistant)
    _, token = await site.people.devices.add_program("owner", "fuzz")
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    async with aiohttp.ClientSession(site.url, headers=headers) as session:
        yield session, model
    assert assistant.active == 0
    await assistant.close()


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(body=CHAT, steps=STEPS)
async def test_no_conversation_of_a_program_finds_a_defect(program, body, steps):
    session, model = program
    model.steps = steps
    async with session.post("/v1/chat/completions", data=json.dumps(body).encode()) as response:
        text = await response.text()
    assert response.status < 500, (body, text)
    if response.status >= 400:
        assert json.loads(text)["error"].keys() >= {"message", "type", "code"}
    elif response.content_type == "text/event-stream":
        assert text.endswith("data: [DONE]\n\n"), text
    else:
        assert json.loads(text)["choices"][0]["finish_reason"] in {"stop", "tool_calls", "length"}
