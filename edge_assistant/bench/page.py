"""The chat page as far as speed goes: a signed-in WebSocket client that notes when what arrives."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec

from edge_assistant.bench.device import Device
from edge_assistant.errors import EdgeError

ANSWER_SECONDS = 120.0
"""How long a measurement waits for an answer."""


class Heard(msgspec.Struct):
    """One answer as it arrived. Times are CLOCK_MONOTONIC in seconds."""

    asked_at: float
    arrivals: list[float] = []
    """When each `text.delta` arrived."""
    sizes: list[int] = []
    """Characters of each; empty when each is one token."""
    emitted: list[float] = []
    """When the model made the first token of each."""
    last: dict[str, Any] = {}
    """The event that ended it."""

    @property
    def first_token_seconds(self) -> float:
        """From sending the question to the first text."""
        return self.arrivals[0] - self.asked_at

    @property
    def tokens_per_second(self) -> float:
        """Tokens that arrived a second, after the first."""
        return (self.tokens - 1) / (self.arrivals[-1] - self.arrivals[0])

    @property
    def tokens(self) -> int:
        """Length of the answer in tokens."""
        return int(self.last["usage"]["completion_tokens"]) if self.last else len(self.arrivals)

    @property
    def prompt_tokens(self) -> int:
        """Length of its whole prompt in tokens."""
        return int(self.last["usage"]["prompt_tokens"])

    def tokens_between(self, after: float, until: float) -> float:
        """Return how many tokens arrived then; of those of one piece nothing but its length is told."""
        sizes = self.sizes or [1] * len(self.arrivals)
        arrived = sum(size for at, size in zip(self.arrivals, sizes, strict=True) if after < at <= until)
        return self.tokens * arrived / sum(sizes)

    @property
    def gaps(self) -> list[float]:
        """Seconds between one piece of text and the next."""
        return [later - earlier for earlier, later in zip(self.arrivals, self.arrivals[1:], strict=False)]


def new_session() -> str:
    """Return the id of a conversation that doesn't exist yet."""
    return uuid.uuid4().hex


class Page:
    """One open page: a WebSocket on which one answer at a time is awaited."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._turn_id = ""
        self.heard = Heard(asked_at=0.0)
        """The present answer, or the newest."""
        self.writing = asyncio.Event()
        """Set while the present answer is being written, from its first text on."""

    async def ask_briefly(self, text: str, session: str = "") -> Heard:
        """Like `ask`, but the answer is stopped at its first text."""
        return await self.ask(text, session, brief=True)

    async def ask(self, text: str, session: str = "", *, brief: bool = False) -> Heard:
        """Send a message, by default in a new session, and return its whole answer.

        Raises BENCH_FAILED when there is none.
        """
        self._turn_id = uuid.uuid4().hex
        message = {
            "type": "message",
            "id": self._turn_id,
            "session": session or new_session(),
            "text": text,
        }
        self.heard = heard = Heard(asked_at=time.monotonic())
        await self._socket.send_str(msgspec.json.encode(message).decode())
        async with asyncio.timeout(ANSWER_SECONDS):  # one for all frames: each would cost time
            while not heard.last:
                self._take(heard, await self._receive())
                if brief and heard.arrivals and not heard.last:
                    await self.stop()
                    brief = False
        self.writing.clear()
        if heard.last["type"] != "turn.finished":
            raise EdgeError("BENCH_FAILED", f"an answer failed: {heard.last['code']}")
        return heard

    async def stop(self) -> None:
        """Press the stop button; `ask` then returns what there was."""
        await self._socket.send_str(msgspec.json.encode({"type": "stop", "id": self._turn_id}).decode())

    def _take(self, heard: Heard, event: dict[str, Any]) -> None:
        if event["type"] == "text.delta":
            heard.arrivals.append(time.monotonic())
            heard.emitted.append(event["at"])
            heard.sizes.append(len(event["text"]))
            self.writing.set()
        elif event["type"] in {"turn.finished", "turn.failed", "error"}:
            heard.last = event

    async def _receive(self) -> dict[str, Any]:
        frame = await self._socket.receive()
        if frame.type is not aiohttp.WSMsgType.TEXT:
            raise EdgeError("BENCH_FAILED", "the daemon closed the WebSocket")
        event: dict[str, Any] = msgspec.json.decode(frame.data)
        return event


class Browser:
    """Signed in at a device; opens pages."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def status(self) -> dict[str, Any]:
        """Return what `/api/status` says."""
        async with self._session.get("/api/status") as response:
            status: dict[str, Any] = await response.json()
            return status

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send JSON and return what comes back."""
        async with self._session.post(path, json=body) as response:
            response.raise_for_status()
            answer: dict[str, Any] = await response.json()
            return answer

    @asynccontextmanager
    async def page(self) -> AsyncIterator[Page]:
        """Open one page."""
        async with self._session.ws_connect("/api/ws") as socket:
            yield Page(socket)

    @asynccontextmanager
    async def pages(self, count: int) -> AsyncIterator[list[Page]]:
        """Open several pages."""
        async with AsyncExitStack() as stack:
            yield [await stack.enter_async_context(self.page()) for _ in range(count)]


@asynccontextmanager
async def browser(device: Device) -> AsyncIterator[Browser]:
    """Sign in at a running device by a one-time link."""
    link = urlsplit((await device.order("link"))["url"])
    async with aiohttp.ClientSession(
        f"{link.scheme}://{link.netloc}",
        cookie_jar=aiohttp.CookieJar(unsafe=True),  # it is addressed by number, not by name
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS),
    ) as session:
        token = link.fragment.removeprefix("signin=")
        async with session.post("/api/signin", json={"token": token}) as response:
            response.raise_for_status()
        yield Browser(session)
