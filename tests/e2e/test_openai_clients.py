"""Programs that speak OpenAI's API, unchanged, against the daemon and its real model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import openai
import pytest
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI

MODEL = "smollm2-135m-instruct-q4_1"
EMBEDDER = "all-minilm-l6-v2-int8"


@pytest.fixture
def token(daemon) -> str:
    daemon.wait_for_model()
    printed = daemon.cli("pair", "--token", "test")
    assert printed.returncode == 0, printed.stderr
    return next(word for word in printed.stdout.split()[::-1] if len(word) > 20)


def test_the_command_llm_works_unchanged(daemon, token, tmp_path: Path):
    models = [
        {"model_id": "edge", "model_name": MODEL, "api_base": f"{daemon.url}/v1", "api_key_name": "edge"}
    ]
    (tmp_path / "extra-openai-models.yaml").write_text(json.dumps(models))  # JSON is YAML
    environ = {**os.environ, "LLM_USER_PATH": str(tmp_path)}
    for options in ((), ("--no-stream",)):
        command = [sys.executable, "-m", "llm", "-m", "edge", "--key", token, *options, "Say hello."]
        said = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
        assert said.returncode == 0, said.stderr
        assert said.stdout.strip()


def test_the_embedder_of_this_device_serves_openais_client(daemon, token):
    with openai.OpenAI(base_url=f"{daemon.url}/v1", api_key=token) as client:
        assert EMBEDDER in [model.id for model in client.models.list()]
        texts = ["The cat sleeps on the sofa.", "A cat is asleep on the couch.", "Stocks fell on Monday."]
        made = client.embeddings.create(model=EMBEDDER, input=texts)
    cat, same, other = (each.embedding for each in made.data)
    assert dot(cat, same) > dot(cat, other)
    assert made.usage.total_tokens > len(texts)


def dot(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def test_openais_and_langchains_clients_work_unchanged(daemon, token, monkeypatch):
    monkeypatch.setenv("LANGSMITH_TRACING", "false")
    address = f"{daemon.url}/v1"
    with openai.OpenAI(base_url=address, api_key=token) as client:
        assert MODEL in [model.id for model in client.models.list()]
        asked = {"model": MODEL, "messages": [{"role": "user", "content": "Say hello."}], "temperature": 0}
        whole = client.chat.completions.create(**asked, max_tokens=16)
        text = whole.choices[0].message.content
        assert text
        stream = client.chat.completions.create(**asked, max_tokens=16, stream=True)
        assert "".join(each.choices[0].delta.content or "" for each in stream) == text
        assert 0 < whole.usage.completion_tokens <= 16
        schema = {
            "type": "object",
            "properties": {"city": {"enum": ["Ulm", "Rome"]}},
            "required": ["city"],
            "additionalProperties": False,
        }
        form = {"type": "json_schema", "json_schema": {"name": "place", "schema": schema, "strict": True}}
        said = client.chat.completions.create(**asked, response_format=form).choices[0].message.content
        assert json.loads(said)["city"] in {"Ulm", "Rome"}

    chain = ChatOpenAI(model=MODEL, base_url=address, api_key=token, temperature=0, max_tokens=16)
    messages = [SystemMessage("Be brief."), HumanMessage("Say hello.")]
    answer = chain.invoke(messages)
    assert answer.usage_metadata["total_tokens"] > 0
    assert "".join(str(chunk.content) for chunk in chain.stream(messages)) == answer.content
    light = {
        "name": "light",
        "description": "Switch a light.",
        "parameters": {
            "type": "object",
            "properties": {"on": {"type": "boolean"}},
            "required": ["on"],
            "additionalProperties": False,
        },
    }
    bound = ChatOpenAI(model=MODEL, base_url=address, api_key=token, max_tokens=64).bind_tools(
        [{"type": "function", "function": light}], tool_choice="light"
    )
    (call,) = bound.invoke([HumanMessage("Switch the light on.")]).tool_calls
    assert (call["name"], set(call["args"])) == ("light", {"on"})
