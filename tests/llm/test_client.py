"""The daemon's side of the `llm` worker: nothing a worker does may lose or repeat text."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest

from edge_assistant.errors import EdgeError
from edge_assistant.llm import client
from edge_assistant.llm.client import LlamaModel
from edge_assistant.llm.protocol import Generation, Message, Piece, Progress, Sampling
from edge_assistant.llm.wire import LlamaSettings
from edge_assistant.workers.backoff import RestartPolicy
from edge_assistant.workers.supervisor import WorkerSpec

CHECKOUT = Path(__file__).parents[2]
COUNT_20 = "".join(f"w{number} " for number in range(20))


def ask(what: str, identity: str = "a", **more) -> Generation:
    return Generation(id=identity, messages=(Message("system", "s"), Message("user", what)), **more)


@pytest.fixture
async def model(monkeypatch) -> AsyncIterator[Callable[..., LlamaModel]]:
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    made = []

    def make(load: str = "", **spec) -> LlamaModel:
        settings = LlamaSettings(model_path=load)
        quick = RestartPolicy(first_seconds=0.02, longest_seconds=0.2)
        worker_spec = WorkerSpec(
            name="llm",
            target="tests.workers.fake_llm:main",
            settings=settings,
            **{"restart": quick, "heartbeat_seconds": 0.1, **spec},
        )
        made.append(LlamaModel(settings, "fake-1", worker_spec=worker_spec))
        return made[-1]

    yield make
    for one in made:
        await one.stop(1)


async def read(stream) -> str:
    return "".join([item.text async for item in stream if isinstance(item, Piece)])


async def code_of(stream) -> str:
    with pytest.raises(EdgeError) as error:
        await read(stream)
    return error.value.code


async def ready(model: LlamaModel) -> None:
    await model.start()
    await read(model.generate(ask("count 1", "warm-up")))


async def test_an_answer_asked_while_the_model_loads_comes_when_it_has(model):
    slow = model("slow")
    await slow.start()
    assert slow.status.phase == "loading"
    stream = slow.generate(ask("count 20"))
    items = [item async for item in stream]
    assert items[0] == Progress(1, 2)
    assert "".join(item.text for item in items[1:]) == COUNT_20
    assert stream.completion.reason == "stop"
    assert stream.completion.token_ids == tuple(range(20))
    status = slow.status
    assert (status.name, status.phase, status.detail, status.context) == ("fake-1", "ready", "", 512)
    async with asyncio.timeout(30):
        while slow.status.decode_tokens_per_second != 120:
            await asyncio.sleep(0.01)


async def test_streams_of_several_people_do_not_mix(model):
    llama = model()
    await llama.start()
    answers = await asyncio.gather(*(read(llama.generate(ask("count 20", str(n)))) for n in range(8)))
    assert answers == [COUNT_20] * 8


async def test_an_answer_goes_on_without_a_gap_when_the_worker_is_killed(model):
    llama = model()
    await ready(llama)
    stream = llama.generate(ask("count 20 die 7"))
    assert await read(stream) == COUNT_20
    assert stream.completion.token_ids == tuple(range(20))
    assert stream.completion.completion_tokens == 20
    assert stream.completion.total_ms > stream.completion.first_token_ms > 0
    assert llama.worker_state.restarts == 1


async def test_a_caller_s_own_continuation_is_kept_across_a_restart(model):
    llama = model()
    await ready(llama)
    stream = llama.generate(ask("count 20 die 7", continuation=(0, 1, 2)))
    assert await read(stream) == COUNT_20[len("w0 w1 w2 ") :]
    assert stream.completion.token_ids == tuple(range(20))


async def test_others_go_on_too_when_one_answer_kills_the_worker(model):
    llama = model()
    await ready(llama)
    texts = await asyncio.gather(
        read(llama.generate(ask("count 20 die 5", "a"))), read(llama.generate(ask("count 20", "b")))
    )
    assert texts == [COUNT_20, COUNT_20]


async def test_an_answer_goes_on_when_the_worker_is_stopped_or_hangs(model):
    llama = model(heartbeat_timeout_seconds=1.5, step_timeout_seconds=0.5)
    await ready(llama)
    stream = llama.generate(ask("count 20"))
    await anext(stream)
    await anext(stream)
    os.kill(llama.worker_state.pid, signal.SIGSTOP)
    assert "w0 " + await read(stream) == COUNT_20
    assert await read(llama.generate(ask("count 20 hang 4"))) == COUNT_20
    assert llama.worker_state.restarts == 2


async def test_a_second_death_ends_the_answer_with_a_clear_error_and_the_model_goes_on(model):
    llama = model()
    await ready(llama)
    stream = llama.generate(ask("count 20 die-always x"))
    pieces: list[Piece] = []

    async def collect() -> None:
        async for item in stream:
            pieces.extend([item] if isinstance(item, Piece) else [])

    with pytest.raises(EdgeError) as error:
        await collect()
    assert error.value.code == "MODEL_WORKER_DIED"
    assert error.value.retry_after
    assert "".join(piece.text for piece in pieces) == "w0 w1 w2 w3 w4 w5 "
    assert await read(llama.generate(ask("count 20"))) == COUNT_20


async def test_cancelling_ends_an_answer_with_what_it_has(model):
    llama = model()
    await ready(llama)
    stream = llama.generate(ask("count 100000"))
    seen = 0
    async for item in stream:
        seen += isinstance(item, Piece)
        if seen >= 3:
            await stream.cancel()
            await stream.cancel()
    assert stream.completion.reason == "cancelled"
    assert len(stream.completion.token_ids) == seen
    await stream.cancel()


async def test_cancelling_an_answer_that_still_waits_ends_it_at_once(model):
    slow = model("slow")
    await slow.start()
    stream = slow.generate(ask("count 20"))
    await stream.cancel()
    assert await read(stream) == ""
    assert stream.completion.reason == "cancelled"
    assert stream.completion.token_ids == ()
    assert await read(slow.generate(ask("count 20"))) == COUNT_20


async def test_an_answer_cancelled_while_the_worker_is_dead_keeps_its_tokens(model):
    llama = model(restart=RestartPolicy(first_seconds=60, longest_seconds=60))
    await ready(llama)
    stream = llama.generate(ask("count 20 die 7"))
    async with asyncio.timeout(60):
        while llama.status.phase != "restarting":
            await asyncio.sleep(0.01)
    assert "killed by SIGKILL" in llama.status.detail
    await stream.cancel()
    assert await read(stream) == "w0 w1 w2 w3 w4 w5 w6 "
    assert stream.completion.token_ids == tuple(range(7))
    assert stream.completion.reason == "cancelled"


async def test_a_model_that_can_not_be_loaded_says_why_to_everyone(model):
    missing = model("missing")
    await missing.start()
    assert await code_of(missing.generate(ask("count 1"))) == "MODEL_MISSING"
    assert missing.status.phase == "failed"
    assert "models pull" in missing.status.detail
    assert await code_of(missing.generate(ask("count 1"))) == "MODEL_MISSING"
    assert missing.worker_state.restarts == 0


async def test_nobody_waits_for_ever_for_a_worker_that_dies_whenever_it_loads(model):
    crashing = model("crash")
    await crashing.start()
    assert await code_of(crashing.generate(ask("count 1"))) == "MODEL_WORKER_DIED"
    assert await code_of(crashing.generate(ask("count 1"))) == "MODEL_WORKER_DIED"


async def test_too_many_waiting_answers_are_refused_with_a_hint(model):
    slow = model("slow")
    await slow.start()
    streams = [slow.generate(ask("count 1", str(number))) for number in range(client.MAX_WAITING + 1)]
    assert await code_of(streams[-1]) == "MODEL_BUSY"
    assert await asyncio.gather(*map(read, streams[:-1])) == ["w0 "] * client.MAX_WAITING


async def test_what_the_worker_refuses_is_raised(model):
    llama = model()
    await llama.start()
    assert await code_of(llama.generate(ask("count 1 refuse x"))) == "SCHEMA_BAD"


async def test_an_id_that_is_in_use_is_refused_and_the_first_answer_goes_on(model):
    llama = model()
    await llama.start()
    first = llama.generate(ask("count 20"))
    assert await code_of(llama.generate(ask("count 20"))) == "MODEL_ID_IN_USE"
    assert await read(first) == COUNT_20


async def test_a_model_that_is_not_started_or_stopped_refuses_and_ends_what_runs(model):
    llama = model()
    assert await code_of(llama.generate(ask("count 1"))) == "MODEL_STOPPED"
    await ready(llama)
    stream = llama.generate(ask("count 100000"))
    await anext(stream)
    await llama.stop()
    assert await code_of(stream) == "MODEL_STOPPED"
    assert await code_of(llama.generate(ask("count 1"))) == "MODEL_STOPPED"
    assert llama.status.phase == "stopped"
    await ready(llama)


async def test_forgetting_returns_when_the_worker_did_and_at_once_when_it_is_not_there(model):
    llama = model()
    await llama.forget("c")
    await ready(llama)
    await asyncio.gather(*(llama.forget("c") for _ in range(3)))
    assert llama._forgets._waiting == {}
    await llama.prepare(ask("count 1"))
    await llama.stop()
    await llama.forget("c")
    await llama.prepare(ask("count 1"))


async def test_forgetting_ends_when_the_worker_dies_over_it(model):
    llama = model(heartbeat_timeout_seconds=1)
    await ready(llama)
    os.kill(llama.worker_state.pid, signal.SIGSTOP)
    await llama.forget("c")
    assert llama.worker_state.restarts <= 1


async def test_the_real_model_goes_on_after_kill_9_and_says_nothing_twice(starter_model):
    llama = LlamaModel(LlamaSettings(model_path=str(starter_model), context=512), "smollm2")
    question = Generation(
        id="q",
        messages=(Message("system", "Be brief."), Message("user", "Name the planets in order.")),
        sampling=Sampling(max_tokens=40, temperature=0.0),
    )
    await llama.start()
    undisturbed = await read(llama.generate(question))
    stream = llama.generate(question)
    pieces: list[Piece] = []
    told = 0
    async for item in stream:
        if isinstance(item, Piece):
            pieces.append(item)
            if not told and sum(len(piece.token_ids) for piece in pieces) >= 10:
                os.kill(llama.worker_state.pid, signal.SIGKILL)
                told = len(pieces)
    await llama.stop()
    assert llama.worker_state.restarts == 1
    assert stream.completion.token_ids == tuple(token for piece in pieces for token in piece.token_ids)
    before, text = "".join(piece.text for piece in pieces[:told]), "".join(piece.text for piece in pieces)
    assert undisturbed.startswith(before)
    assert text.count(before) == 1
    assert len(text) > len(before)


def test_the_worker_spec_of_llama_names_the_real_worker():
    llama = LlamaModel(LlamaSettings(model_path="m.gguf"), "m", memory_limit_mb=100)
    spec = llama._worker._spec
    assert (spec.target, spec.memory_limit_mb) == ("edge_assistant.llm.worker:main", 100)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(spec.settings), type=LlamaSettings) == spec.settings
