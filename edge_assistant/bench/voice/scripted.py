"""A server that speaks OpenAI's API and answers everything with the same words at a fixed pace."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from aiohttp import web

ANSWER = (
    "The light in the kitchen is on now, and the window is still open. It will rain this evening, "
    "please close it before you leave the house for the concert."
)
"""30 words."""

TOKENS_A_WORD = 4 / 3
"""What models of English need on average."""


class Scripted:
    """The answer, and how fast it is written."""

    def __init__(self) -> None:
        self.tokens_per_second = 40.0
        self.url = ""
        self.asked = 0

    @property
    def _word_seconds(self) -> float:
        return TOKENS_A_WORD / self.tokens_per_second

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Stream the answer word by word."""
        await request.read()
        self.asked += 1
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        due = asyncio.get_running_loop().time()
        words = ANSWER.split()
        for number, word in enumerate(words):
            due += self._word_seconds
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
            await _send(response, {"content": f" {word}" if number else word})
        await _send(response, {}, "stop")
        await response.write(b"data: [DONE]\n\n")
        return response


async def _send(response: web.StreamResponse, delta: dict[str, str], finish: str | None = None) -> None:
    chunk = {"id": "a", "object": "chat.completion.chunk", "created": 0, "model": "scripted",
             "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}  # fmt: skip
    await response.write(b"data: " + msgspec.json.encode(chunk) + b"\n\n")


@contextmanager
def scripted_server() -> Iterator[Scripted]:
    """Serve in a thread of its own on a free port of this machine."""
    scripted = Scripted()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="scripted model", daemon=True)
    thread.start()
    runner = asyncio.run_coroutine_threadsafe(_start(scripted), loop).result(10)
    try:
        yield scripted
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _start(scripted: Scripted) -> web.AppRunner:
    app = web.Application()
    app.router.add_post("/v1/chat/completions", scripted.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    scripted.url = f"http://{host}:{port}/v1"
    return runner
