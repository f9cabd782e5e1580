"""A worker whose server misbehaves, and workers whose clocks or queues are not what they should be."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time

import pytest
from aiohttp import web

from edge_assistant.bench.upstream import answer_to, question
from edge_assistant.cloud.wire import LONGEST_ANSWER
from edge_assistant.errors import EdgeError
from tests.cloud.conftest import a_device, a_worker, generation, text_of
from tests.llm.test_openai_remote import DONE, Server, chunk
from tests.mqtt.test_connection import until


@pytest.fixture
async def server():
    server = Server()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", server.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()


@pytest.fixture
async def pair(guarded, server):
    worker = a_worker(guarded.with_password("cloud-worker"), server.url)
    async with worker as worker, a_device(guarded.with_password("kitchen"), deadline_seconds=60) as device:
        yield worker, device


GARBAGE = (b"<html>Not found</html>\n\n", b"data: \xff\xfe{]\n\n")


@pytest.mark.parametrize("garbage", GARBAGE)
async def test_garbage_is_an_honest_failure_without_a_word_of_it(pair, server, garbage):
    worker, device = pair
    server.behave = server.send(garbage)
    with pytest.raises(EdgeError, match="CLOUD_FAILED"):
        await text_of(device.generate(generation("hello")))
    await until(lambda: worker.counters.failed == 3)


async def test_a_server_that_fails_and_recovers_is_asked_again(pair, server):
    _, device = pair
    calls = []

    async def behave(request):
        calls.append(1)
        if len(calls) < 3:
            return web.Response(status=500, text="secret internals")
        return await server.send(chunk("Fine."), chunk(finish_reason="stop"), DONE)(request)

    server.behave = behave
    assert await text_of(device.generate(generation("hello"))) == "Fine."


async def test_an_answer_cut_in_half_a_token_goes_on_where_it_was(pair, server):
    _, device = pair
    calls = []

    async def behave(request):
        calls.append(1)
        if len(calls) == 1:
            return await server.send(chunk("Half "), chunk("an ans")[:20], then="cut")(request)
        return await server.send(chunk("an answer."), chunk(finish_reason="stop"), DONE)(request)

    server.behave = behave
    assert await text_of(device.generate(generation("hello"))) == "Half an answer."
    assert server.asked[1]["messages"][-1] == {"role": "assistant", "content": "Half "}


async def test_a_refused_key_is_said_at_once_and_names_no_secret(pair, server):
    _, device = pair
    server.say(401, "bad key sk-123")
    with pytest.raises(EdgeError, match="CLOUD_REFUSED") as refused:
        await text_of(device.generate(generation("hello")))
    assert "sk-123" not in str(refused.value)
    assert len(server.asked) == 1


async def test_a_server_that_asks_to_wait_is_asked_again_after_that_and_not_before(pair, server):
    _, device = pair
    times = []

    async def behave(request):
        times.append(time.monotonic())
        if len(times) == 1:
            return web.Response(status=429, headers={"Retry-After": "1"})
        return await server.send(chunk("Now."), chunk(finish_reason="stop"), DONE)(request)

    server.behave = behave
    assert await text_of(device.generate(generation("hello"))) == "Now."
    assert times[1] - times[0] >= 0.99


async def test_a_server_that_says_nothing_ends_by_the_deadline(guarded, server):
    server.behave = server.send(then="wait")
    async with (
        a_worker(guarded.with_password("cloud-worker"), server.url),
        a_device(guarded.with_password("kitchen"), deadline_seconds=1) as device,
    ):
        with pytest.raises(EdgeError, match="CLOUD_LATE"):
            await text_of(device.generate(generation("hello")))


async def test_a_server_without_an_end_is_left_after_a_million_letters(pair, server):
    worker, device = pair

    async def behave(request):
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        while True:
            await response.write(chunk("x" * 30_000))

    server.behave = behave
    with pytest.raises(EdgeError, match="CLOUD_FAILED"):
        await text_of(device.generate(generation("hello")))
    await until(lambda: worker.working == 0)
    assert len(server.asked) == 1  # a second time would be as long
    assert worker.counters.chunks * 30_000 <= LONGEST_ANSWER


async def test_a_full_queue_sends_the_next_question_to_another_worker(guarded, upstream):
    at_worker, at_kitchen = guarded.with_password("cloud-worker"), guarded.with_password("kitchen")
    async with (
        a_worker(at_worker, upstream, name="w-1", parallel=1, queue=0) as one,
        a_worker(at_worker, upstream, name="w-2", parallel=1, queue=0) as two,
        a_device(at_kitchen) as device,
    ):
        asked = [question(40, f"q{number}", 10) for number in range(4)]
        answers = await asyncio.gather(*(text_of(device.generate(generation(text))) for text in asked))
        assert answers == [answer_to(text) for text in asked]
        assert one.counters.refused + two.counters.refused >= 2
        await until(lambda: one.counters.finished + two.counters.finished == 4)


async def test_clocks_that_are_days_apart_change_nothing(guarded, upstream):
    at_worker = guarded.with_password("cloud-worker")
    code = (
        "import sys, time; now = time.time; time.time = lambda: now() + 3 * 86400;"
        "from edge_assistant.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    command = (
        *(sys.executable, "-c", code, "cloud-worker", "--username", "cloud-worker", "--model", "counting"),
        *("--broker", f"mqtts://localhost:{guarded.port}", "--ca-file", at_worker.ca_file),
        *("--upstream", upstream),
    )
    environ = {**os.environ, "EDGE_ASSISTANT_SECRET_CLOUD_WORKER_PASSWORD": at_worker.password}
    worker = subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL)
    try:
        async with a_device(guarded.with_password("kitchen")) as device:
            asked = question(5, "tomorrow")
            assert await text_of(device.generate(generation(asked))) == answer_to(asked)
    finally:
        worker.kill()
        worker.wait()
