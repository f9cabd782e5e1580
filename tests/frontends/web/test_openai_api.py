"""OpenAI's own client against the real assistant; only the model is scripted, or the real one at the end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import openai
import pytest

from edge_assistant.assistant.assistant import Assistant
from edge_assistant.config import Config
from edge_assistant.config.schema import AssistantSettings
from edge_assistant.errors import ModelError
from edge_assistant.frontends.web import sse
from edge_assistant.frontends.web.openai_api import MAX_EMBEDDING
from edge_assistant.memory.conversations import Conversations
from edge_assistant.memory.embedding import Embedded
from tests.fakes import ScriptedModel
from tests.frontends.web.conftest import Site, until
from tests.vectors import pack_vector

HELLO = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tell the weather.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.fixture
def model() -> ScriptedModel:
    return ScriptedModel("Good ", "day.")


@pytest.fixture
def config() -> Config:
    return Config()


@pytest.fixture
async def real(
    conversations: Conversations, model: ScriptedModel, config: Config
) -> AsyncIterator[Assistant]:
    assistant = Assistant(config, conversations, model)
    yield assistant
    await assistant.close()


@pytest.fixture
async def site(serve: Callable[..., Any], real: Assistant) -> Site:
    running: Site = await serve(answers=real)
    return running


@pytest.fixture
async def client(site: Site) -> AsyncIterator[openai.AsyncOpenAI]:
    _, token = await site.people.devices.add_program("owner", "test")
    async with openai.AsyncOpenAI(base_url=f"{site.url}/v1", api_key=token, max_retries=0) as made:
        yield made


async def ask(client, messages=HELLO, **more):
    return await client.chat.completions.create(model="scripted", messages=messages, **more)


async def test_an_answer_comes_whole_with_its_usage(client, model):
    answer = await ask(client)
    assert answer.choices[0].message.content == "Good day."
    assert answer.choices[0].finish_reason == "stop"
    assert (answer.object, answer.model) == ("chat.completion", "scripted")
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (
        7,
        2,
        9,
    )
    assert answer.usage.prompt_tokens_details.cached_tokens == 3


async def test_a_stream_brings_the_pieces_and_its_usage_when_asked_for(client):
    stream = await ask(client, stream=True, stream_options={"include_usage": True})
    chunks = [chunk async for chunk in stream]
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "Good day."
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage.total_tokens == 9
    without = [chunk async for chunk in await ask(client, stream=True)]
    assert all(chunk.usage is None for chunk in without)


async def test_the_model_reads_what_the_program_brought_and_nothing_else(client, model, conversations):
    history = [*HELLO, {"role": "assistant", "content": "Hi."}, {"role": "user", "content": "And you?"}]
    await ask(client, history)
    (generation,) = model.generations
    assert [(m.role, m.content) for m in generation.messages] == [(m["role"], m["content"]) for m in history]
    assert generation.public is False, "a program's system message may hold something about a person"
    assert generation.snapshot_key is None
    assert await conversations.sessions("owner") == []


async def test_what_a_program_wishes_reaches_the_model(client, model):
    await ask(client, max_tokens=5, temperature=0.1, top_p=0.5, seed=3, stop=["\n"], frequency_penalty=1)
    sampling = model.generations[0].sampling
    assert (sampling.max_tokens, sampling.temperature, sampling.top_p, sampling.seed) == (5, 0.1, 0.5, 3)
    assert (sampling.stop, sampling.frequency_penalty) == (("\n",), 1)
    await ask(client, max_completion_tokens=6, stop="x")
    assert model.generations[1].sampling.max_tokens == 6
    assert model.generations[1].sampling.stop == ("x",)


async def test_a_cut_answer_says_length(client, model):
    model.reason = "length"
    assert (await ask(client)).choices[0].finish_reason == "length"


async def test_a_schema_for_the_answer_reaches_the_model(client, model):
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    form = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema, "strict": True}}
    await ask(client, response_format=form)
    assert json.loads(model.generations[0].sampling.json_schema) == schema
    await ask(client, response_format={"type": "json_object"})
    assert json.loads(model.generations[1].sampling.json_schema) == {"type": "object"}


CALL = ["I look. <tool", '_call>\n{"name": "weather", "argu', 'ments": {"city": "Ulm"}}\n</tool_call>']


async def test_a_function_call_is_told_as_one_whole_and_streamed(client, model):
    model.steps = list(CALL)
    choice = (await ask(client, tools=[WEATHER])).choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content == "I look. "
    (call,) = choice.message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": "Ulm"})
    chunks = [chunk async for chunk in await ask(client, tools=[WEATHER], stream=True)]
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == "I look. "
    assert (
        next(c.choices[0].delta.tool_calls for c in chunks if c.choices[0].delta.tool_calls)[0].function.name
        == "weather"
    )
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


async def test_the_result_of_a_call_goes_back_to_the_model(client, model):
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Ulm"}'}}
    history = [
        *HELLO,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
    ]
    await ask(client, history, tools=[WEATHER])
    read = model.generations[0].messages
    assert '"name": "weather"' in read[0].content
    assert read[2].content == '<tool_call>\n{"name": "weather", "arguments": {"city": "Ulm"}}\n</tool_call>'
    assert read[3].content == "<tool_response>\nsunny\n</tool_response>"


async def test_a_call_can_be_demanded_and_text_that_is_none_is_text(client, model):
    model.steps = list(CALL)
    await ask(client, tools=[WEATHER], tool_choice="required")
    assert model.generations[0].sampling.fence.required
    named = {"type": "function", "function": {"name": "weather"}}
    await ask(client, tools=[WEATHER], tool_choice=named)
    assert model.generations[1].sampling.fence.required
    await ask(client, tools=[WEATHER], tool_choice="none")
    assert model.generations[2].sampling.fence is None
    model.steps = ['<tool_call>{"name": "unknown", "arguments": {}}</tool_call>']
    choice = (await ask(client, tools=[WEATHER])).choices[0]
    assert (choice.finish_reason, choice.message.tool_calls) == ("stop", None)
    assert "unknown" in choice.message.content


async def test_models_are_listed_and_described(client):
    assert [each.id for each in (await client.models.list()).data] == ["scripted"]
    assert (await client.models.retrieve("scripted")).owned_by == "edge-assistant"
    with pytest.raises(openai.NotFoundError) as caught:
        await client.models.retrieve("gpt-9")
    assert caught.value.code == "model_not_found"


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"n": 2}, "unsupported_value", None),
        ({"logprobs": True}, "unsupported_value", None),
        ({"temperature": 3}, "WEB_BAD_FIELD", "temperature"),
        ({"messages": []}, "WEB_BAD_FIELD", "messages"),
        ({"messages": [{"role": "king", "content": "x"}]}, "WEB_BAD_FIELD", "messages[0].role"),
        ({"messages": [{"role": "system", "content": "x"}]}, "WEB_BAD_FIELD", None),
        ({"tool_choice": "required"}, "WEB_BAD_FIELD", "tool_choice"),
        ({"seed": 2**70}, "WEB_BAD_FIELD", "seed"),
        ({"stop": ""}, "WEB_BAD_FIELD", "stop"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            "unsupported_value",
            "messages[0].content",
        ),
    ],
)
async def test_what_can_not_be_done_is_refused_with_an_openai_error(client, change, code, param):
    with pytest.raises(openai.BadRequestError) as caught:
        await ask(client, **change)
    assert (caught.value.code, caught.value.param) == (code, param)
    assert caught.value.type == "invalid_request_error"


async def test_a_program_without_a_token_is_refused_in_openais_words(site):
    async with openai.AsyncOpenAI(base_url=f"{site.url}/v1", api_key="wrong", max_retries=0) as stranger:
        with pytest.raises(openai.PermissionDeniedError) as caught:
            await stranger.models.list()
    assert caught.value.code == "invalid_api_key"


async def test_a_refusal_before_the_first_word_has_a_status_also_in_a_stream(client, model):
    model.steps = [ModelError("PROMPT_TOO_LONG", "too long")]
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError) as caught:
            await ask(client, stream=stream)
        assert caught.value.code == "context_length_exceeded"
    model.steps = [ModelError("MODEL_BUSY", "busy", retry_after=7)]
    with pytest.raises(openai.InternalServerError) as busy:
        await ask(client, stream=True)
    assert busy.value.response.headers["Retry-After"] == "7"


async def test_a_failure_in_mid_stream_is_told_in_the_stream(client, model):
    model.steps = ["Good ", ModelError("MODEL_FAILED", "it broke")]
    with pytest.raises(openai.APIError, match="it broke"):
        async for _ in await ask(client, stream=True):
            pass


class TestLimit:
    @pytest.fixture
    def config(self) -> Config:
        return Config(assistant=AssistantSettings(answers_per_minute=1, answers_burst=1))

    async def test_who_asks_too_much_gets_429_and_a_hint(self, client):
        await ask(client)
        with pytest.raises(openai.RateLimitError) as caught:
            await ask(client)
        assert caught.value.code == "rate_limit_exceeded"
        assert 1 <= int(caught.value.response.headers["Retry-After"]) <= 60


async def test_hanging_up_stops_the_answer(client, model, real):
    model.steps = ["Good ", asyncio.Event()]
    stream = await ask(client, stream=True)
    async for chunk in stream:
        if chunk.choices[0].delta.content:
            break
    await stream.close()
    await until(lambda: real.active == 0)
    assert model.streams[0].cancels
    assert not real._turns


async def test_a_conversation_is_found_again_by_its_person_and_beginning(client, model, site):
    history = [*HELLO, {"role": "assistant", "content": "Hi."}, {"role": "user", "content": "And you?"}]
    await ask(client)
    await ask(client, history)
    await ask(client, [*history, {"role": "assistant", "content": "Me?"}, {"role": "user", "content": "Yes"}])
    first, second, third = (each.conversation for each in model.generations)
    assert first is None, "one question alone is not worth keeping"
    assert second is not None
    assert second == third
    user = await site.people.users.add("Ann", "member")
    _, token = await site.people.devices.add_program(user.id, "hers")
    async with openai.AsyncOpenAI(base_url=f"{site.url}/v1", api_key=token) as other:
        await ask(other, history)
    assert model.generations[-1].conversation not in {None, second}


async def test_vectors_need_an_embedder(client):
    with pytest.raises(openai.NotFoundError) as caught:
        await client.embeddings.create(model="any", input="x")
    assert caught.value.code == "model_not_found"


class Letters:
    """An embedder that counts letters, or waits to be let go."""

    name = "letters"
    dimensions = 2

    def __init__(self):
        self.go = asyncio.Event()
        self.go.set()
        self.asked = 0

    async def embed(self, texts, *, background=False):
        assert background, "what programs ask for yields to the house's own questions"
        self.asked += 1
        await self.go.wait()
        vectors = tuple(pack_vector([len(text), 0.5]) for text in texts)
        return Embedded(1, vectors, sum(map(len, texts)))

    async def embed_query(self, text):
        raise AssertionError(text)


@pytest.fixture
def letters():
    return Letters()


@pytest.fixture
async def embedding(serve, real, letters):
    site = await serve(answers=real, embedder=letters)
    _, token = await site.people.devices.add_program("owner", "test")
    async with openai.AsyncOpenAI(base_url=f"{site.url}/v1", api_key=token, max_retries=0) as client:
        yield client


async def test_an_embedder_serves_vectors(embedding):
    for encoding in ({}, {"encoding_format": "float"}):  # by default the client asks for base64
        made = await embedding.embeddings.create(model="letters", input=["abc", "d"], **encoding)
        assert [each.embedding for each in made.data] == [[3.0, 0.5], [1.0, 0.5]]
    assert made.usage.total_tokens == 4
    assert [each.id for each in (await embedding.models.list()).data] == ["scripted", "letters"]


@pytest.mark.parametrize(
    "change",
    [{"input": ""}, {"input": []}, {"input": ["a", ""]}, {"input": [[1, 2]]}, {"dimensions": 7}],
)
async def test_vectors_that_can_not_be_made_are_refused(embedding, change):
    with pytest.raises(openai.BadRequestError):
        await embedding.embeddings.create(**{"model": "letters", "input": "x", **change})


async def test_too_many_programs_at_the_embedder_get_a_hint(embedding, letters):
    letters.go.clear()
    asked = [
        asyncio.ensure_future(embedding.embeddings.create(model="letters", input="x"))
        for _ in range(MAX_EMBEDDING)
    ]
    await until(lambda: letters.asked == MAX_EMBEDDING)
    with pytest.raises(openai.InternalServerError) as caught:
        await embedding.embeddings.create(model="letters", input="x")
    assert (caught.value.status_code, caught.value.response.headers["Retry-After"]) == (503, "2")
    letters.go.set()
    await asyncio.gather(*asked)
    await embedding.embeddings.create(model="letters", input="x")


async def test_a_long_silence_is_filled_with_comments(client, model, monkeypatch):
    monkeypatch.setattr(sse, "KEEP_ALIVE_SECONDS", 0.01)
    silence = asyncio.Event()
    model.steps = ["Good ", silence, "day."]
    body = {"model": "scripted", "messages": HELLO, "stream": True}
    async with client.chat.completions.with_streaming_response.create(**body) as response:
        async for line in response.iter_lines():
            if line.startswith(":"):
                silence.set()
    assert silence.is_set()


async def test_who_is_removed_leaves_no_answer_running_and_no_thread(site, model, real):
    user = await site.people.users.add("Ann", "member")
    _, token = await site.people.devices.add_program(user.id, "hers")
    history = [*HELLO, {"role": "assistant", "content": "Hi."}, {"role": "user", "content": "And you?"}]
    owner = await site.sign_in()
    async with openai.AsyncOpenAI(base_url=f"{site.url}/v1", api_key=token, max_retries=0) as hers:
        await ask(hers, history)
        thread = model.generations[-1].conversation
        model.steps = ["Good ", asyncio.Event()]
        running = asyncio.ensure_future(ask(hers))
        await until(lambda: real.active == 1)
        async with owner.delete(f"/api/users/{user.id}") as response:
            assert response.status == 204
        await asyncio.gather(running, return_exceptions=True)
    assert real.active == 0
    assert thread in model.forgotten


@pytest.mark.parametrize("keyword", ["$defs", "definitions"])
async def test_what_a_schema_defines_is_found_where_the_call_needs_it(client, model, keyword):
    city = {"type": "object", "properties": {"city": {"$ref": f"#/{keyword}/City"}}}
    tool = {"name": "go", "parameters": {**city, keyword: {"City": {"enum": ["Ulm"]}}}}
    await ask(client, tools=[{"type": "function", "function": tool}])
    schema = json.loads(model.generations[0].sampling.json_schema)
    assert schema["$defs"] == {"f0_City": {"enum": ["Ulm"]}}
    assert schema["properties"]["arguments"]["properties"]["city"] == {"$ref": "#/$defs/f0_City"}


async def test_definitions_that_are_none_are_refused(client):
    tool = {"name": "go", "parameters": {"$defs": 7}}
    with pytest.raises(openai.BadRequestError) as caught:
        await ask(client, tools=[{"type": "function", "function": tool}])
    assert caught.value.code == "SCHEMA_BAD"


async def test_unknown_addresses_and_methods_say_so_in_openais_shape(site):
    person = await site.sign_in()
    for method, path, status in (("GET", "/v1/nothing", 404), ("GET", "/v1/chat/completions", 405)):
        async with person.request(method, path) as response:
            error = (await response.json())["error"]
            assert (response.status, error["type"]) == (status, "invalid_request_error")


def test_every_reply_is_json_that_msgspec_reads_back():
    from edge_assistant.errors import BusyError
    from edge_assistant.frontends.web.openai_api_reply import error_body

    body = error_body(BusyError("BUSY", "busy", retry_after=3), 503)
    assert msgspec.json.decode(msgspec.json.encode(body))["error"]["retry_after"] == 3


async def test_an_answer_that_is_begun_is_gone_on_with(client, model):
    await ask(client, [*HELLO, {"role": "assistant", "content": "Good "}])
    (generation,) = model.generations
    assert generation.begun == "Good "
    assert [message.role for message in generation.messages] == [message["role"] for message in HELLO]
