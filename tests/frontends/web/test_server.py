from __future__ import annotations

import asyncio
import gc
import json
import socket as sockets
import tracemalloc
from pathlib import Path

import pytest

from edge_assistant import __version__
from edge_assistant.errors import ConfigError
from edge_assistant.frontends.web.ws import Limits
from edge_assistant.llm.protocol import ModelStatus
from tests.frontends.web.conftest import until
from tests.frontends.web.raw import frame, raw_socket


async def test_a_port_in_use_is_a_clear_error(serve):
    first = await serve()
    with pytest.raises(ConfigError) as refused:
        await serve(port=first.port)
    assert refused.value.code == "WEB_PORT_IN_USE"
    assert "web.port" in refused.value.message
    async with first.client() as browser, browser.get("/healthz") as response:
        assert response.status == 200, "the first one serves on"


async def test_port_zero_picks_a_free_one(serve):
    one, two = await serve(), await serve()
    assert one.port != two.port
    assert one.url == f"http://127.0.0.1:{one.port}"


async def test_a_stopped_server_frees_its_port(serve):
    first = await serve()
    await first.server.stop()
    await first.server.stop()
    again = await serve(port=first.port)
    assert again.port == first.port


@pytest.mark.parametrize(
    ("phase", "health"),
    [("loading", "starting"), ("ready", "ok"), ("restarting", "starting"), ("failed", "degraded")],
)
async def test_health_says_one_word_to_anybody(site, phase, health):
    site.status[0] = ModelStatus(name="secret-model", phase=phase, detail="no such file")
    async with site.client() as browser, browser.get("/healthz") as response:
        assert (response.status, await response.json()) == (200, {"status": health})


async def test_status_says_how_the_assistant_is(site):
    person = await site.sign_in()
    async with site.socket(), person.get("/api/status") as response:
        status = await response.json()
    assert status["assistant"] == "Nabu"
    assert status["version"] == __version__
    assert status["model"]["phase"] == "ready"
    assert "web" in status["features"]
    assert "voice" not in status["features"]
    assert status["leaves"] == []
    assert status["sockets"] == 1
    assert status["rss_bytes"] > 1_000_000
    assert status["uptime_seconds"] >= 0


async def test_small_frames_leave_at_once(site):
    async with site.socket():
        (connection,) = site.server._sockets._connections
        channel = connection._transport.get_extra_info("socket")
        assert channel.getsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_descriptors_do_not_grow_over_300_connects(site):
    cookie = await site.cookie()

    async def connect(number):
        async with raw_socket(site.host, cookie) as socket:
            if number % 3 == 0:  # some hang up without a word, some half-way
                await socket.send(frame(b"{}")[: number % 5])
            elif number % 3 == 1:
                await socket.send(frame(b"\x03\xe8", opcode=8))

    async def settled():
        await until(lambda: len(site.server._sockets) == 0)
        await until(lambda: len(site.server._runner.server.connections) <= 1)
        gc.collect()
        return descriptors()

    await asyncio.gather(*(connect(number) for number in range(20)))
    before = await settled()
    for _ in range(15):
        await asyncio.gather(*(connect(number) for number in range(20)))
    assert await settled() <= before


async def test_a_reader_that_stops_reading_is_cut_off_and_the_turn_goes_on(serve, assistant):
    site = await serve(Limits(send_seconds=0.5))
    piece = "x" * 10_000
    message = {"type": "message", "id": "t1", "session": "s1", "text": "hello"}
    async with raw_socket(site.host, await site.cookie()) as slow:
        await slow.send(frame(json.dumps(message).encode()))
        await until(lambda: "t1" in assistant.turns)
        for _ in range(2_000):  # 20 MB, more than the kernel's buffers take
            assistant.say("t1", piece)
        (connection,) = site.server._sockets._connections
        buffered = 0
        while len(site.server._sockets):
            buffered = max(buffered, connection._transport.get_write_buffer_size())
            await asyncio.sleep(0.02)
    assert 0 < buffered < 1_000_000
    assistant.finish("t1")
    assert assistant.stopped == []
    async with site.socket(max_msg_size=0) as socket:
        await socket.send_json({"type": "resume", "id": "t1", "after": 2_000})
        frames = [await socket.receive_json(timeout=60) for _ in range(2)]
    assert [each["seq"] for each in frames] == [2_001, 2_002]
    assert frames[1]["type"] == "turn.finished"


async def test_a_slow_reader_holds_back_nobody_else(serve, assistant):
    site = await serve(Limits(send_seconds=600))
    message = {"type": "message", "id": "t1", "session": "s1", "text": "hello"}
    async with raw_socket(site.host, await site.cookie()) as slow, site.socket() as quick:
        await slow.send(frame(json.dumps(message).encode()))
        await until(lambda: "t1" in assistant.turns)
        await quick.send_json({"type": "resume", "id": "t1"})
        for _ in range(800):
            assistant.say("t1", "x" * 10_000)
        for number in range(1, 802):
            assert (await quick.receive_json(timeout=60))["seq"] == number
        assert len(site.server._sockets) == 2, "the slow one is still within its patience"


async def test_a_page_that_asks_again_while_it_reads_slowly_loses_no_other_answer(serve, assistant):
    site = await serve(Limits(send_seconds=600))

    def ask(kind, turn_id):
        more = {"session": "s1", "text": "x"} if kind == "message" else {}
        return frame(json.dumps({"type": kind, "id": turn_id, **more}).encode())

    async with raw_socket(site.host, await site.cookie()) as slow:
        await slow.send(ask("message", "a") + ask("message", "b"))
        await until(lambda: len(assistant.turns) == 2)
        for _ in range(700):
            assistant.say("a", "x" * 10_000)
            assistant.say("b", "x" * 10_000)
        await asyncio.sleep(0.2)
        await slow.send(ask("resume", "a") * 3)
        assistant.finish("b")
        await asyncio.sleep(0.2)
        ended = seen = 0
        while not ended:
            event = json.loads((await slow.receive())[1])
            seen += event["id"] == "b"
            ended = event["type"] == "turn.finished"
    assert seen == 702


async def test_a_stream_over_http_that_is_not_read_is_cut_off_too(serve, assistant):
    site = await serve(Limits(send_seconds=0.5))
    cookie = await site.cookie()
    body = b'{"text": "x", "id": "t1"}'
    _, writer = await asyncio.open_connection("127.0.0.1", site.port, limit=1024)
    writer.write(
        f"POST /api/chat HTTP/1.1\r\nHost: {site.host}\r\nCookie: edge_session={cookie}\r\n"
        "Accept: text/event-stream\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    await until(lambda: "t1" in assistant.turns)
    for _ in range(2_000):
        assistant.say("t1", "x" * 10_000)
    await until(lambda: len(site.server._runner.server.connections) <= 1)  # the one that signed in
    assert assistant.stopped == []
    writer.close()


async def test_memory_does_not_grow_with_connections(site):
    browser = await site.sign_in()

    async def round_trip():
        async with browser.ws_connect("/api/ws") as socket:
            await socket.send_str("{}")
            await socket.receive(timeout=60)

    async def rounds(count):
        for _ in range(count):
            await round_trip()
        await until(lambda: len(site.server._sockets) == 0)
        gc.collect()

    await rounds(30)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        await rounds(100)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 200_000
