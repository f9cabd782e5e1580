"""A function call in mid-answer, on the real model."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from edge_assistant.assistant.function import CLOSING, OPENING, CallReader, call_schema, fence
from edge_assistant.assistant.request import Function
from edge_assistant.llm import sampler
from edge_assistant.llm.sampler import FencedSampler
from tests.llm.conftest import generation

LIGHT = Function(
    name="light",
    parameters={
        "type": "object",
        "properties": {"room": {"$ref": "#/$defs/Room"}, "on": {"type": "boolean"}},
        "required": ["room", "on"],
        "additionalProperties": False,
        "$defs": {"Room": {"enum": ["kitchen", "hall"]}},
    },
)
CLOCK = Function(name="clock", parameters={"type": "object", "properties": {}})


@pytest.mark.parametrize("functions", [(LIGHT,), (LIGHT, CLOCK)])
def test_a_model_that_never_heard_of_functions_calls_one_when_it_must(bench, functions):
    asked = generation(
        "a", "Switch on the light in the hall.", json_schema=call_schema(functions),
        fence=fence(required=True), max_tokens=80, repeat_penalty=1.0,
    )  # fmt: skip
    bench.ask(asked)
    reader = CallReader(functions, required=True)
    assert reader.feed(bench.text("a")) == ""
    text, (call,) = reader.finish()
    assert text == ""
    assert call.name in {"light", "clock"}
    if call.name == "light":
        assert set(json.loads(call.arguments)) == {"room", "on"}


def test_without_the_opening_mark_an_answer_is_free(bench):
    options = {"json_schema": call_schema([LIGHT]), "fence": fence(required=False)}
    bench.ask(generation("free", "What is the capital of France?"))
    bench.ask(generation("fenced", "What is the capital of France?", **options))
    assert bench.text("fenced") == bench.text("free")


def test_once_the_mark_is_open_the_schema_binds_what_follows(bench, engine):
    options = {"json_schema": call_schema([LIGHT]), "fence": fence(required=False)}
    opened = tuple(engine.tokenize(f"I do it. {OPENING}", control=False))
    bench.ask(generation("a", "Light!", continuation=opened, max_tokens=80 + len(opened), **options))
    said = bench.text("a")
    assert said.rstrip().endswith(CLOSING)
    assert json.loads(said.partition(CLOSING)[0])["name"] == "light"


def test_a_mark_that_goes_on_with_something_else_binds_nothing(engine):
    sampling = generation("x", "x", json_schema=call_schema([LIGHT]), fence=fence(required=False)).sampling
    sampler = FencedSampler(engine, sampling)
    sampler._engine = SimpleNamespace(piece=lambda _: f"{OPENING}[and".encode())
    sampler._hear(1)
    assert sampler._active is sampler._free
    sampler.close()


def test_a_schema_that_would_hold_up_everybody_ends_its_own_answer_only(bench, monkeypatch):
    monkeypatch.setattr(sampler, "_SLOW_SECONDS", 0.05)
    bomb = json.dumps({"type": "string", "pattern": "^(((a{1,900}){2,900}){9,900})$"})
    asked = generation("bomb", "Say aaaa.", json_schema=bomb, max_tokens=200, repeat_penalty=1.0)
    bench.scheduler.generate(asked)
    bench.ask(generation("b", "What is the capital of France?"))
    assert bench.failed("bomb").code == "SCHEMA_BAD"
    assert bench.text("b")


def test_a_system_message_that_is_not_public_is_not_kept_for_others(bench):
    bench.ask(generation("a", "Hello", public=False))
    assert bench.residency.prefixes.cells == 0
    bench.ask(generation("b", "Hello"))
    assert bench.residency.prefixes.cells > 0
