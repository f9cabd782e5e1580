"""A remote OpenAI-compatible model against a real server that behaves and misbehaves."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from edge_assistant.errors import EdgeError
from edge_assistant.llm import openai_remote
from edge_assistant.llm.openai_remote import RemoteModel
from edge_assistant.llm.protocol import Generation, Message, Piece, Sampling
from edge_assistant.llm.sse import MAX_LINE_BYTES, EventParser, LineTooLongError

KEY = "secret-key-1234"


def chunk(text: str | None = None, **more) -> bytes:
    choice = {"index": 0, "delta": {"content": text} if text is not None else {}, **more}
    return b"data: " + json.dumps({"id": "1", "choices": [choice]}).encode() + b"\n\n"


USAGE = b'data: {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 3, '
USAGE += b'"prompt_tokens_details": {"cached_tokens": 4}}}\n\n'
DONE = b"data: [DONE]\n\n"
GOOD = [b": hello\n\n", chunk(""), chunk("Hel"), chunk("lo "), chunk("Wörld"), chunk(finish_reason="stop")]


Behaviour = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """Answers every question as `behave` says and remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[dict] = []
        self.headers: list[dict] = []
        self.url = ""
        self.left = asyncio.Event()
        """Set when a client went away in mid-answer."""
        self.behave: Behaviour = self.send(*GOOD, USAGE, DONE)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(await request.json())
        self.headers.append(dict(request.headers))
        try:
            return await self.behave(request)
        except (ConnectionError, asyncio.CancelledError):
            self.left.set()
            raise

    def send(
        self, *parts: bytes, then: str = "end"
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def behave(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await response.prepare(request)
            for part in parts:
                await response.write(part)
            if then == "cut":
                request.transport.abort()
            while then == "wait":
                await asyncio.sleep(0.05)
                await response.write(b": still here\n\n")
            if then == "silence":
                await asyncio.sleep(30)
            return response

        return behave

    def say(self, status: int, text: str = "", **headers: str) -> None:
        async def behave(_request: web.Request) -> web.StreamResponse:
            return web.Response(status=status, text=text, headers=headers)

        self.behave = behave


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    one = Server()
    application = web.Application()
    application.router.add_post("/v1/chat/completions", one.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    one.url = f"http://{host}:{port}"
    yield one
    await runner.cleanup()


@pytest.fixture
async def model(server: Server) -> AsyncIterator[RemoteModel]:
    one = RemoteModel("far", url=server.url, model="big-model", api_key=KEY, idle_seconds=1)
    await one.start()
    yield one
    await one.stop()


def ask(**sampling) -> Generation:
    messages = (Message("system", "Be kind."), Message("user", "Hi"), Message("assistant", "Ho", (1, 2)))
    return Generation(
        id="turn-1",
        messages=(*messages, Message("user", "again")),
        sampling=Sampling(**sampling),
        conversation="private-name",
        snapshot_key=b"k" * 32,
    )


async def read(stream) -> str:
    return "".join([item.text async for item in stream if isinstance(item, Piece)])


async def failure(stream) -> EdgeError:
    with pytest.raises(EdgeError) as error:
        await read(stream)
    return error.value


async def test_an_answer_streams_with_its_counts(server, model):
    stream = model.generate(ask())
    assert await read(stream) == "Hello Wörld"
    completion = stream.completion
    assert (completion.reason, completion.prompt_tokens, completion.cached_tokens) == ("stop", 9, 4)
    assert (completion.completion_tokens, completion.token_ids) == (3, ())
    assert 0 < completion.first_token_ms <= completion.total_ms
    assert model.status.phase == "ready"


async def test_the_request_holds_messages_and_sampling_and_nothing_else(server, model):
    await read(model.generate(ask(seed=3, stop=tuple("abcde"), json_schema='{"type": "object"}')))
    assert server.asked == [
        {
            "model": "big-model",
            "messages": [
                {"role": "system", "content": "Be kind."},
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "Ho"},
                {"role": "user", "content": "again"},
            ],
            "max_tokens": 512,
            "temperature": 0.7,
            "top_p": 0.95,
            "stream": True,
            "stream_options": {"include_usage": True},
            "seed": 3,
            "stop": ["a", "b", "c", "d"],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": {"type": "object"}, "strict": True},
            },
        }
    ]
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
async def test_the_address_may_end_with_v1_or_not(server, suffix):
    one = RemoteModel("far", url=server.url + suffix, model="m")
    await one.start()
    assert await read(one.generate(ask())) == "Hello Wörld"
    assert "Authorization" not in server.headers[0]
    await one.stop()


async def test_an_answer_cut_at_max_tokens_says_so(server, model):
    server.behave = server.send(chunk("Hel"), chunk(finish_reason="length"), DONE)
    stream = model.generate(ask())
    assert await read(stream) == "Hel"
    assert stream.completion.reason == "length"
    assert stream.completion.completion_tokens == 1


async def test_a_server_that_never_says_why_it_ended_but_that_it_did_is_believed(server, model):
    server.behave = server.send(chunk("Hel"), DONE)
    stream = model.generate(ask())
    assert await read(stream) == "Hel"
    assert stream.completion.reason == "stop"


async def test_bytes_may_come_one_by_one(server, model):
    everything = b"".join([*GOOD, DONE]).replace(b"\n", b"\r\n")
    server.behave = server.send(*(everything[i : i + 1] for i in range(len(everything))))
    assert await read(model.generate(ask())) == "Hello Wörld"


@pytest.mark.parametrize(
    ("parts", "then", "words"),
    [
        ([chunk("Hel")], "cut", "cut in mid-answer"),
        ([chunk("Hel")], "end", "cut in mid-answer"),
        ([chunk("Hel")], "silence", "said nothing for 1 s"),
        ([], "silence", "said nothing for 1 s"),
        ([chunk("Hel"), b"data: {nonsense\n\n"], "end", "can't be read"),
        ([chunk("Hel"), b'data: {"choices": 7}\n\n'], "end", "can't be read"),
        ([b'data: "\xff\xfe"\n\n'], "end", "can't be read"),
        ([b"data: " + b"x" * (MAX_LINE_BYTES + 1)], "wait", "can't be read"),
        ([b'data: {"error": {"message": "out of\\nmemory"}}\n\n'], "wait", "out of memory"),
    ],
)
async def test_an_answer_that_breaks_off_or_is_nonsense_fails_clearly(server, model, parts, then, words):
    server.behave = server.send(*parts, then=then)
    error = await failure(model.generate(ask()))
    assert error.code == "MODEL_REMOTE_FAILED"
    assert words in error.message
    assert (model.status.phase, model.status.detail) == ("failed", error.message)
    server.behave = server.send(*GOOD, DONE)
    assert await read(model.generate(ask())) == "Hello Wörld"
    assert (model.status.phase, model.status.detail) == ("ready", "")


@pytest.mark.parametrize(
    ("status", "headers", "refusal"),
    [
        (401, {}, ("MODEL_REMOTE_REFUSED", None)),
        (403, {}, ("MODEL_REMOTE_REFUSED", None)),
        (429, {"Retry-After": "7"}, ("MODEL_REMOTE_BUSY", 7)),
        (429, {}, ("MODEL_REMOTE_BUSY", 30)),
        (429, {"Retry-After": "nan"}, ("MODEL_REMOTE_BUSY", 30)),
        (429, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, ("MODEL_REMOTE_BUSY", 30)),
        (307, {"Location": "http://192.0.2.1/"}, ("MODEL_REMOTE_FAILED", None)),
        (404, {}, ("MODEL_REMOTE_FAILED", None)),
        (500, {}, ("MODEL_REMOTE_FAILED", None)),
    ],
)
async def test_each_refusal_has_its_code(server, model, status, headers, refusal):
    server.say(status, '{"error": {"message": "no such model"}}', **headers)
    error = await failure(model.generate(ask()))
    assert (error.code, error.retry_after) == refusal
    assert ("no such model" in error.message) == (error.code == "MODEL_REMOTE_FAILED")


async def test_neither_key_nor_question_nor_what_the_server_says_is_logged(server, model, caplog):
    caplog.set_level("DEBUG")
    server.say(400, '{"error": {"message": "you said: again"}}')
    await failure(model.generate(ask()))
    assert "MODEL_REMOTE_FAILED" in caplog.text
    assert KEY not in caplog.text
    assert "again" not in caplog.text


async def test_an_error_page_that_is_no_json_is_not_shown(server, model):
    server.say(502, "<html>" + "x" * 10_000)
    assert (await failure(model.generate(ask()))).message == "the model's server answered with status 502"


async def test_a_server_that_is_not_there_is_unreachable():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    one = RemoteModel("far", url=f"http://127.0.0.1:{port}", model="m")
    await one.start()
    error = await failure(one.generate(ask()))
    assert error.code == "MODEL_REMOTE_UNREACHABLE"
    assert error.retry_after
    await one.stop()


async def test_an_address_that_is_none_is_unreachable():
    one = RemoteModel("far", url="not an address", model="m")
    await one.start()
    assert (await failure(one.generate(ask()))).code == "MODEL_REMOTE_UNREACHABLE"
    await one.stop()


async def test_cancelling_closes_the_connection_and_keeps_what_came(server, model):
    server.behave = server.send(chunk("Hel"), then="wait")
    stream = model.generate(ask())
    assert (await anext(stream)).text == "Hel"
    await stream.cancel()
    await stream.cancel()
    assert await read(stream) == ""
    assert stream.completion.reason == "cancelled"
    assert stream.completion.completion_tokens == 1
    async with asyncio.timeout(30):
        await server.left.wait()


async def test_cancelling_at_once_asks_nothing(server, model):
    stream = model.generate(ask())
    await stream.cancel()
    assert await read(stream) == ""
    assert stream.completion.reason == "cancelled"
    assert server.asked == []


async def test_a_server_that_never_ends_is_ended(server, model, monkeypatch):
    monkeypatch.setattr(openai_remote, "MAX_ANSWER_CHARACTERS", 100)
    server.behave = server.send(*[chunk("x" * 30)] * 50, then="wait")
    stream = model.generate(ask())
    assert len(await read(stream)) == 120
    assert stream.completion.reason == "length"


async def test_stopping_ends_what_runs_and_refuses_what_comes(server, model):
    server.behave = server.send(chunk("Hel"), then="wait")
    stream = model.generate(ask())
    await anext(stream)
    await model.stop()
    assert await read(stream) == ""
    assert stream.completion.reason == "cancelled"
    assert model.status.phase == "stopped"
    assert (await failure(model.generate(ask()))).code == "MODEL_STOPPED"
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("remote answer")]


async def test_a_bad_schema_is_the_asker_s_fault_not_the_server_s(server, model):
    assert (await failure(model.generate(ask(json_schema="{")))).code == "SCHEMA_BAD"
    assert model.status.phase == "ready"
    await model.prepare(ask())
    await model.forget("c")
    assert server.asked == []


async def test_too_many_answers_at_a_time_are_refused(server, model, monkeypatch):
    monkeypatch.setattr(openai_remote, "MAX_RUNNING", 1)
    server.behave = server.send(chunk("Hel"), then="wait")
    running = model.generate(ask())
    assert (await failure(model.generate(ask()))).code == "MODEL_BUSY"
    await running.cancel()


@given(st.lists(st.binary(max_size=40)), st.lists(st.integers(min_value=0), max_size=20))
def test_events_are_the_same_however_the_bytes_are_cut(pieces, places):
    data = b"\n".join(b"data: " + piece for piece in pieces) + b"\n\n"
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    cut = EventParser()
    got = [event for i in range(len(edges) - 1) for event in cut.feed(data[edges[i] : edges[i + 1]])]
    assert got == list(EventParser().feed(data))


def test_an_event_of_many_lines_is_limited_too():
    parser = EventParser()
    line = b"data: " + b"x" * (MAX_LINE_BYTES // 2) + b"\n"

    def feed() -> None:
        for part in (line, line, line):
            list(parser.feed(part))

    with pytest.raises(LineTooLongError):
        feed()
