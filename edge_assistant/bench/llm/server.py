"""Side by side with the server that comes with llama-cpp-python, on the same model in the same run."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import aiohttp
import msgspec

from edge_assistant.bench.child import tied
from edge_assistant.bench.device import Sections, model_path, running_device
from edge_assistant.bench.goal import Goal, Result
from edge_assistant.bench.llm.decode import STREAMS, together
from edge_assistant.bench.measurement import CannotMeasureError, Measurement, Setting
from edge_assistant.bench.mosquitto import free_port
from edge_assistant.bench.page import Browser, Heard, browser
from edge_assistant.bench.statistic import ratio, spread
from edge_assistant.bench.texts import QUESTIONS, STORY, prose
from edge_assistant.errors import EdgeError
from edge_assistant.llm.worker import choose_threads

FIRST = Goal(
    metric="first token of a new conversation with long instructions / the same of llama_cpp.server",
    unit="ratio",
    text="side by side",
)
DECODE = Goal(metric="decode of one stream / of llama_cpp.server", unit="ratio", text="side by side")
FOUR = Goal(
    metric="tokens a second of four answers asked at once / of llama_cpp.server",
    unit="ratio",
    text="side by side",
)

_NEEDED = ("fastapi", "uvicorn", "sse_starlette", "starlette_context", "pydantic_settings")
_INSTRUCTION_WORDS = 310
_CONTEXT = 4096
_START_SECONDS = 60.0
_ANSWER_SECONDS = 120.0

Pair = tuple[float, float]
"""Ours and the server's, measured right after each other."""


class Compared(NamedTuple):
    """All pairs: seconds until the first token, tokens a second of one answer and of four at once."""

    first: list[Pair]
    one: list[Pair]
    four: list[Pair]


def measure(setting: Setting) -> Iterator[Result]:
    """Ask both the same in turns. The server answers one at a time; it is told not to interrupt."""
    if any(importlib.util.find_spec(name) is None for name in _NEEDED):
        raise CannotMeasureError("llama_cpp.server isn't installed: `pip install edge-assistant[bench]`")
    found = asyncio.run(_measure(setting))
    for goal, pairs, unit, scale in (
        (FIRST, found.first, "ms", 1000.0),
        (DECODE, found.one, "tokens/s", 1.0),
        (FOUR, found.four, "tokens/s", 1.0),
    ):
        ours, theirs = ([scale * value for value in side] for side in zip(*pairs, strict=True))
        yield goal.measured(
            ratio(pairs), f"{spread(ours, unit)} here, {spread(theirs, unit)} of llama_cpp.server"
        )


async def _measure(setting: Setting) -> Compared:
    instructions = prose(_INSTRUCTION_WORDS)
    tokens, rounds = setting.count(192, 64), setting.count(5, 2)
    sections: Sections = {
        "llm": {"max_tokens": tokens, "parallel": STREAMS, "context": _CONTEXT},
        "assistant": {"instructions": instructions, "answers_per_minute": 0},
    }
    async with running_device(setting, sections) as device, _server(setting) as server:
        await device.wait_for_model()
        async with browser(device) as page, server.session(instructions, tokens) as other:
            await _ask_page(page, QUESTIONS[0])
            await other.ask(QUESTIONS[0])
            first, one, four = [], [], []
            for number in range(rounds):
                question = QUESTIONS[number % len(QUESTIONS)]
                ours, theirs = await _ask_page(page, question), await other.ask(question)
                first.append((ours.first_token_seconds, theirs.first_token_seconds))
                ours, theirs = await _ask_page(page, STORY), await other.ask(STORY)
                one.append((together([ours]), together([theirs])))
                four.append((await _four(page), await other.four()))
    return Compared(first, one, four)


async def _ask_page(client: Browser, text: str) -> Heard:
    async with client.page() as page:
        return await page.ask(text)


async def _four(client: Browser) -> float:
    async with client.pages(STREAMS) as pages:
        return _tokens_a_second(await asyncio.gather(*(page.ask(STORY) for page in pages)))


def _tokens_a_second(heard: list[Heard]) -> float:
    """Return tokens a second from the asking until the last one has its answer."""
    asked, last = min(each.asked_at for each in heard), max(each.arrivals[-1] for each in heard)
    return sum(each.tokens for each in heard) / (last - asked)


# --- the other server


class _Session:
    """A client of the server with the same instructions and length of answers."""

    def __init__(self, http: aiohttp.ClientSession, instructions: str, tokens: int) -> None:
        self._http = http
        self._instructions = instructions
        self._tokens = tokens

    async def ask(self, text: str) -> Heard:
        """Ask in a new conversation and note when each piece arrives."""
        body = {
            "messages": [
                {"role": "system", "content": self._instructions},
                {"role": "user", "content": text},
            ],
            "max_tokens": self._tokens,
            "temperature": 0.2,
            "stream": True,
        }
        heard = Heard(asked_at=time.monotonic())
        async with self._http.post("/v1/chat/completions", json=body) as response:
            response.raise_for_status()
            async for line in response.content:
                if _says_text(line):
                    heard.arrivals.append(time.monotonic())
        if not heard.arrivals:
            raise EdgeError("BENCH_FAILED", "llama_cpp.server gave no answer")
        return heard

    async def four(self) -> float:
        """Ask four times at once; tokens a second of all together."""
        return _tokens_a_second(await asyncio.gather(*(self.ask(STORY) for _ in range(STREAMS))))


class _Server:
    """Where the started server listens."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"

    @asynccontextmanager
    async def session(self, instructions: str, tokens: int) -> AsyncIterator[_Session]:
        """Wait until the model is loaded, then talk to it."""
        timeout = aiohttp.ClientTimeout(total=_ANSWER_SECONDS)
        async with aiohttp.ClientSession(self.address, timeout=timeout) as http:
            async with asyncio.timeout(_START_SECONDS):
                while not await _answers(http):  # noqa: ASYNC110 - it tells nobody when it is ready
                    await asyncio.sleep(0.1)
            yield _Session(http, instructions, tokens)


@asynccontextmanager
async def _server(setting: Setting) -> AsyncIterator[_Server]:
    port = free_port()
    threads = str(choose_threads(setting.config.llm.threads))
    process = await asyncio.create_subprocess_exec(
        *tied(sys.executable, "-m", "llama_cpp.server", "--model", str(model_path(setting))),
        *("--host", "127.0.0.1", "--port", str(port), "--n_ctx", str(_CONTEXT)),
        *("--n_threads", threads, "--n_threads_batch", threads),
        *("--interrupt_requests", "false", "--verbose", "false"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield _Server(port)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _answers(http: aiohttp.ClientSession) -> bool:
    with contextlib.suppress(aiohttp.ClientError):
        async with http.get("/v1/models") as response:
            return response.status == 200  # noqa: PLR2004 - HTTP's OK
    return False


def _says_text(line: bytes) -> bool:
    data = line.removeprefix(b"data: ").strip()
    if not data.startswith(b"{"):
        return False
    choice = msgspec.json.decode(data)["choices"][0]
    return bool(choice["delta"].get("content"))


MEASUREMENTS = (Measurement((FIRST, DECODE, FOUR), measure),)
