"""A model's server that answers by counting, so that a gap, a repetition or a mix-up shows in the text.

`count 40 kitchen every 5 ms` is answered with `kitchen-0 kitchen-1 …`, a word a chunk; anything else is
said back, three letters a chunk. Like llama-server it goes on with an answer that stands last in the
messages. `python -m edge_assistant.bench.upstream` runs one in a process of its own.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import web

_ECHOED = 3
_QUESTION = re.compile(r"count (\d+) ([\w-]+) every (\d+) ms")


def question(words: int, name: str, every_ms: int = 0) -> str:
    """Return what to ask for so many words with this name in them."""
    return f"count {words} {name} every {every_ms} ms"


def answer_to(text: str) -> str:
    """Return what the answer to a question must be."""
    return "".join(_pieces(text)[0])


def _pieces(text: str) -> tuple[list[str], float]:
    """Return an answer piece by piece, and the pause before each in seconds."""
    if found := _QUESTION.search(text):
        return _words(int(found[1]), found[2]), int(found[3]) / 1000
    return [text[start : start + _ECHOED] for start in range(0, len(text), _ECHOED)], 0.0


def _words(count: int, name: str) -> list[str]:
    return [f"{name}-{number} " for number in range(count)]


def _chunk(text: str | None, reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": reason}
    return b"data: " + msgspec.json.encode({"id": "c", "choices": [choice]}) + b"\n\n"


MODEL = web.AppKey("model", str)


async def complete(request: web.Request) -> web.StreamResponse:
    """Answer one question as a stream."""
    body: dict[str, Any] = msgspec.json.decode(await request.read())
    if request.app[MODEL] not in {"", body["model"]}:
        raise web.HTTPNotFound(text="no such model")
    messages: list[dict[str, Any]] = body["messages"]
    begun = messages.pop()["content"] if messages[-1]["role"] == "assistant" else ""
    words, pause = _pieces(messages[-1]["content"])
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    at = 0
    due = time.monotonic()
    for word in words:
        at += len(word)
        if at <= len(begun):
            continue
        missing = word[-min(len(word), at - len(begun)) :]
        if pause:
            due += pause
            await asyncio.sleep(max(due - time.monotonic(), 0.0))
        await response.write(_chunk(missing))
    await response.write(_chunk(None, "stop") + b"data: [DONE]\n\n")
    return response


@asynccontextmanager
async def counting_server(port: int = 0, model: str = "") -> AsyncIterator[str]:
    """Serve for the block, only the named model when one is named; yields the address."""
    application = web.Application(client_max_size=4 << 20)
    application[MODEL] = model
    application.add_routes([web.post("/v1/chat/completions", complete)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def _serve(port: int, model: str) -> None:
    async with counting_server(port, model):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), "".join(sys.argv[2:3])))
