"""Those who hold a connection and say little: slowloris, half-open sockets, handshakes that never end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket as sockets
from collections.abc import AsyncIterator

import pytest

from edge_assistant.frontends.web import entrance, responses
from edge_assistant.frontends.web.ws import Limits
from tests.frontends.web.conftest import until
from tests.frontends.web.raw import CLOSE, PING, frame, raw_socket

START = b"POST /api/signin HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@contextlib.asynccontextmanager
async def connections(port: int, count: int, say: bytes = b"") -> AsyncIterator[list[asyncio.StreamReader]]:
    opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(count)]
    for _, writer in opened:
        writer.write(say)
    yield [reader for reader, _ in opened]
    for _, writer in opened:
        writer.close()


async def healthy(site) -> bool:
    async with site.client() as browser, browser.get("/healthz") as response:
        return response.status == 200


@pytest.mark.parametrize("said", [b"", b"GET / HT", START, START[:-9]], ids=["", "line", "headers", "name"])
async def test_half_a_request_is_waited_for_only_so_long(serve, said):
    site = await serve(Limits(silent_seconds=0.2))
    async with connections(site.port, 3, said) as readers:
        for reader in readers:
            assert await asyncio.wait_for(reader.read(), 60) == b""
    assert await healthy(site)


async def test_a_letter_now_and_then_gains_no_time(serve):
    site = await serve(Limits(silent_seconds=0.3))
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    with contextlib.suppress(ConnectionError):
        for letter in START * 10:
            writer.write(bytes([letter]))
            await writer.drain()
            await asyncio.sleep(0.02)
            if reader.at_eof():
                break
    assert reader.at_eof()
    writer.close()


async def test_a_body_that_never_ends_gets_408(site, monkeypatch):
    monkeypatch.setattr(responses, "BODY_SECONDS", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(START + b"Content-Length: 100\r\n\r\n{")
    answer = await asyncio.wait_for(reader.readuntil(b"}"), 60)
    assert b" 408 " in answer
    assert b"WEB_TOO_SLOW" in answer
    writer.close()


async def test_those_who_only_wait_make_room_for_those_who_ask(serve, assistant):
    site = await serve(Limits(connections=8))
    async with site.socket() as page, connections(site.port, 40, b"GET /"):
        for _ in range(3):
            assert await healthy(site)
        assert len([each for each in site.server._runner.server.connections if each.transport]) <= 8
        assistant.script = ("fine",)
        await page.send_json({"type": "message", "id": "t1", "session": "s1", "text": "hello"})
        assert (await page.receive_json(timeout=60))["type"] == "turn.started"


async def test_when_all_are_being_answered_the_next_one_is_turned_away(serve):
    site = await serve(Limits(connections=3))
    cookie = await site.cookie()
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(3):
            await stack.enter_async_context(raw_socket(site.host, cookie))
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 60) == b""
        writer.close()
    await until(lambda: not site.server._sockets)
    assert await healthy(site)


async def test_a_handshake_that_never_ends_is_cut_off(serve, monkeypatch):
    monkeypatch.setattr(entrance, "HANDSHAKE_SECONDS", 0.2)
    site = await serve(lan=True)
    port = int(site.house.url.rpartition(":")[2])
    async with connections(port, 5, b"\x16\x03\x01\x02\x00\x01") as readers:
        for reader in readers:
            with contextlib.suppress(ConnectionError):
                assert await asyncio.wait_for(reader.read(), 60) == b""
    async with site.phone() as phone, phone.get("/healthz") as response:
        assert response.status == 200


async def test_a_page_that_is_gone_without_a_word_is_given_up(serve):
    site = await serve(Limits(heartbeat_seconds=0.2))
    async with raw_socket(site.host, await site.cookie()) as silent:
        assert (await silent.receive())[0] == PING
        while (await silent.receive())[0] != CLOSE:
            pass  # it is asked, doesn't answer, and loses its place
        await until(lambda: not site.server._sockets)


async def test_the_kernel_gives_up_peers_that_acknowledge_nothing(serve):
    site = await serve(lan=True)
    async with site.phone() as phone, phone.get("/healthz") as response:
        assert response.status == 200
        (connection,) = site.server._runner.server.connections
        channel = connection.transport.get_extra_info("socket")
        assert channel.getsockopt(sockets.IPPROTO_TCP, sockets.TCP_USER_TIMEOUT) == 60_000
        assert channel.getsockopt(sockets.IPPROTO_TCP, sockets.TCP_KEEPIDLE) == 60
        assert channel.getsockopt(sockets.SOL_SOCKET, sockets.SO_KEEPALIVE)


async def test_compression_of_frames_is_not_even_agreed_to(site):
    offer = "permessage-deflate; client_max_window_bits"
    async with site.socket(headers={"Sec-WebSocket-Extensions": offer}) as socket:
        assert socket.compress == 0
    cookie = await site.cookie()
    async with raw_socket(site.host, cookie, **{"Sec-WebSocket-Extensions": offer}) as socket:
        await socket.send(frame(json.dumps({"type": "stop", "id": "t"}).encode(), first=0xC0))
        assert await socket.close_code() == 1002
