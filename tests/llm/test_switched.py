from __future__ import annotations

import asyncio

from edge_assistant.llm.protocol import Completion, Generation, Message, ModelStatus, Piece
from edge_assistant.llm.stream import FedStream
from edge_assistant.llm.switched import SwitchedModel


class OneModel:
    """A model whose answers a test feeds."""

    def __init__(self, name):
        self.name, self.life, self.streams, self.prepared = name, [], [], []

    @property
    def status(self):
        return ModelStatus(name=self.name, phase="ready")

    async def start(self):
        self.life.append("started")

    async def stop(self):
        self.life.append("stopped")

    def generate(self, generation):
        assert self.life == ["started"], "asked outside of its life"
        stream = FedStream(lambda: self.finish(stream, "cancelled"))
        self.streams.append(stream)
        return stream

    @staticmethod
    def finish(stream, reason="stop"):
        done = Completion(
            reason=reason, token_ids=(1,), prompt_tokens=1, cached_tokens=0, completion_tokens=1
        )
        stream.end(done)

    async def prepare(self, generation):
        self.prepared.append(generation.id)

    async def forget(self, conversation):
        self.life.append(f"forgot {conversation}")


def ask(name):
    return Generation(id=name, messages=(Message("user", name),))


async def collect(stream):
    return [item.text async for item in stream]


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_running_answer_ends_on_the_old_model_and_the_next_begins_on_the_new():
    old, new = OneModel("old"), OneModel("new")
    model = SwitchedModel(old)
    await model.start()
    running = asyncio.create_task(collect(model.generate(ask("a"))))
    await settle()
    model.begin_switch(new)
    waiting = asyncio.create_task(collect(model.generate(ask("b"))))
    await settle()
    assert (model.status.phase, old.life, new.life, new.streams) == ("loading", ["started"], [], [])
    old.streams[0].put(Piece("still the old one", (1,), 0.0))
    old.finish(old.streams[0])
    assert await running == ["still the old one"]
    await settle()
    assert (old.life, new.life, model.status.name) == (["started", "stopped"], ["started"], "new")
    new.streams[0].put(Piece("hello", (1,), 0.0))
    new.finish(new.streams[0])
    assert await waiting == ["hello"]
    await model.stop()
    assert new.life == ["started", "stopped"]


async def test_an_answer_that_takes_too_long_is_cut_off():
    old, new = OneModel("old"), OneModel("new")
    model = SwitchedModel(old, drain_seconds=0.01)
    await model.start()
    running = asyncio.create_task(collect(model.generate(ask("a"))))
    await settle()
    await model.switch(new)
    assert (old.life, new.life) == (["started", "stopped"], ["started"])
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_an_answer_stopped_while_it_waits_never_begins():
    old, new = OneModel("old"), OneModel("new")
    model = SwitchedModel(old)
    await model.start()
    running = asyncio.create_task(collect(model.generate(ask("a"))))
    await settle()
    model.begin_switch(new)
    stream = model.generate(ask("b"))
    waiting = asyncio.create_task(collect(stream))
    await settle()
    await stream.cancel()
    old.finish(old.streams[0])
    assert (await running, await waiting) == ([], [])
    assert stream.completion.reason == "cancelled"
    assert new.streams == []


async def test_the_completion_is_that_of_the_model_and_cancelling_reaches_it():
    only = OneModel("only")
    model = SwitchedModel(only)
    await model.start()
    stream = model.generate(ask("a"))
    reading = asyncio.create_task(collect(stream))
    await settle()
    await stream.cancel()
    await reading
    assert stream.completion.reason == "cancelled"


async def test_stopping_in_the_middle_of_a_switch_leaves_nothing_running():
    old, new = OneModel("old"), OneModel("new")
    model = SwitchedModel(old)
    await model.start()
    running = asyncio.create_task(collect(model.generate(ask("a"))))
    await settle()
    model.begin_switch(new)
    await settle()
    await model.stop()
    assert old.life == ["started", "stopped"]
    assert new.life == []
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
