"""Any OpenAI-compatible server behind `LanguageModel`: another machine at home, or a cloud.

Only messages, sampling and a schema are sent; nothing names the person, conversation or device.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

import msgspec

from edge_assistant.errors import ModelError
from edge_assistant.llm.openai_wire import Chunk, Usage, request_body, said
from edge_assistant.llm.protocol import (
    Completion,
    FinishReason,
    Generation,
    ModelPhase,
    ModelStatus,
    Piece,
    Stream,
)
from edge_assistant.llm.sse import EventParser, LineTooLongError
from edge_assistant.llm.stream import FedStream, unstarted_completion

if TYPE_CHECKING:
    import aiohttp

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0
IDLE_SECONDS = 60.0
"""Longest silence in mid-answer, and before its first piece."""

MAX_RUNNING = 64
MAX_ANSWER_CHARACTERS = 1 << 20
"""Text kept of a server that does not mind `max_tokens`."""

_ERROR_BODY_BYTES = 4096
_BUSY_SECONDS = 30.0
_REFUSED = (401, 403)
_BUSY = 429


class RemoteModel:
    """A model on an OpenAI-compatible server. `url` is its address with or without `/v1`.

    By keyword only: texts in the wrong place would send the key where it does not belong.

    Errors raised while iterating: MODEL_REMOTE_UNREACHABLE (no connection), MODEL_REMOTE_REFUSED
    (key not accepted), MODEL_REMOTE_BUSY (too many requests, with `retry_after`),
    MODEL_REMOTE_FAILED (anything else, a cut answer included), MODEL_STOPPED outside of `start`
    and `stop`, MODEL_BUSY when too many answers run, SCHEMA_BAD.
    """

    def __init__(
        self,
        name: str,
        *,
        url: str,
        model: str,
        api_key: str = "",
        connect_seconds: float = CONNECT_SECONDS,
        idle_seconds: float = IDLE_SECONDS,
        prefill: bool = False,
    ) -> None:
        self._name = name
        self._endpoint = f"{url.rstrip('/').removesuffix('/v1')}/v1/chat/completions"
        self._model = model
        self._api_key = api_key
        self._connect_seconds = connect_seconds
        self._idle_seconds = idle_seconds
        self._prefill = prefill
        """Whether the server goes on with a begun answer when asked to in vLLM's words."""
        self._session: aiohttp.ClientSession | None = None
        """Between `start` and `stop`."""
        self._running: set[asyncio.Task[None]] = set()
        self._problem: ModelError | None = None
        """Why the last answer failed; None when it came."""

    @property
    def status(self) -> ModelStatus:
        """Ready unless the last answer failed; nothing is asked of the server to find out."""
        phase: ModelPhase = "stopped" if self._session is None else "failed" if self._problem else "ready"
        detail = self._problem.message if self._session is not None and self._problem else ""
        return ModelStatus(name=self._name, phase=phase, detail=detail)

    async def start(self) -> None:
        """Get ready; no connection is made before the first question."""
        import aiohttp

        # No compression, so that a few bytes can't become a lot of memory.
        headers = {
            "Content-Type": "application/json",
            "Accept": "text/event-stream",
            "Accept-Encoding": "identity",
        }
        if self._api_key:
            headers["Authorization"] = f"Bearer {self._api_key}"
        timeout = aiohttp.ClientTimeout(
            total=None,
            connect=self._connect_seconds,
            sock_connect=self._connect_seconds,
            sock_read=self._idle_seconds,
        )
        self._session = aiohttp.ClientSession(
            headers=headers, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
        )

    async def stop(self, grace_seconds: float = 0.0) -> None:
        """End running answers as cancelled and close connections. Idempotent."""
        del grace_seconds  # a server needs none
        running = list(self._running)
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def generate(self, generation: Generation) -> Stream:
        """Begin an answer. A `continuation` can't be kept: such an answer starts anew."""
        answer = _RemoteAnswer(generation)
        if self._session is None:
            answer.stream.fail(ModelError("MODEL_STOPPED", "the model is not running; start the assistant"))
        elif len(self._running) >= MAX_RUNNING:
            message = "too many answers are being made; try again later"
            answer.stream.fail(ModelError("MODEL_BUSY", message, retry_after=10.0))
        else:
            coroutine = self._run(self._session, answer)
            answer.task = asyncio.create_task(coroutine, name=f"remote answer {generation.id}")
            self._running.add(answer.task)
            answer.task.add_done_callback(self._running.discard)
            answer.task.add_done_callback(answer.settle)
        return answer.stream

    async def prepare(self, generation: Generation) -> None:
        """Do nothing: there is no way to ask for it."""

    async def forget(self, conversation: str) -> None:
        """Do nothing: the server is not told which conversation a question belongs to."""

    async def _run(self, session: aiohttp.ClientSession, answer: _RemoteAnswer) -> None:
        try:
            await self._converse(session, answer)
            self._problem = None
        except ModelError as error:
            logger.warning("answer %s of %s failed: %s", answer.generation.id, self._name, error.code)
            if error.code.startswith("MODEL_REMOTE"):
                self._problem = error
            answer.stream.fail(error)

    async def _converse(self, session: aiohttp.ClientSession, answer: _RemoteAnswer) -> None:
        import aiohttp

        body = request_body(answer.generation, self._model, prefill=self._prefill)
        try:
            # A redirect could carry question and key to somebody else.
            async with session.post(self._endpoint, data=body, allow_redirects=False) as response:
                await _raise_for_status(response)
                async for chunk in response.content.iter_any():
                    if answer.feed(chunk):
                        return
        except (aiohttp.ServerTimeoutError, TimeoutError, aiohttp.ClientError, OSError) as error:
            raise self._explain(error, begun=answer.begun) from error
        answer.end_of_data()

    def _explain(self, error: Exception, *, begun: bool) -> ModelError:
        import aiohttp

        if isinstance(
            error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | aiohttp.InvalidURL
        ):
            message = "the model's server can't be reached; check `llm.url` and the network"
            return ModelError("MODEL_REMOTE_UNREACHABLE", message, retry_after=_BUSY_SECONDS)
        if isinstance(error, TimeoutError):
            return _failed(f"the model's server said nothing for {self._idle_seconds:g} s; ask again")
        if begun:
            return _failed("the connection to the model's server was cut in mid-answer; ask again")
        return _failed("the model's server did not answer as it should; check `llm.url`")


class _RemoteAnswer:
    """One answer on its way from the server to its stream."""

    def __init__(self, generation: Generation) -> None:
        self.generation = generation
        self.stream = FedStream(self._cancel)
        self.task: asyncio.Task[None] | None = None
        self._parser = EventParser()
        self._asked = time.monotonic()
        self._first_piece: float | None = None
        self._pieces = self._characters = 0
        self._usage = Usage()
        self._reason: FinishReason | None = None
        """Why the server ended the answer; None before it did."""

    @property
    def begun(self) -> bool:
        """Whether some text came."""
        return self._first_piece is not None

    def feed(self, chunk: bytes) -> bool:
        """Take bytes of the response; True when the answer is complete."""
        try:
            for data in self._parser.feed(chunk):
                too_long = self._characters > MAX_ANSWER_CHARACTERS
                if data == b"[DONE]" or too_long:
                    self._reason = "length" if too_long else self._reason or "stop"
                    self.end_of_data()
                    return True
                self._take(msgspec.json.decode(data, type=Chunk))
        except (msgspec.MsgspecError, UnicodeDecodeError, LineTooLongError) as error:
            raise _failed("the model's server sent what can't be read; is it OpenAI-compatible?") from error
        return False

    def end_of_data(self) -> None:
        """End the stream: in order when the server said why, else as cut."""
        if self._reason is None:
            raise _failed("the connection to the model's server was cut in mid-answer; ask again")
        self.stream.end(self._completion(self._reason))

    def settle(self, task: asyncio.Task[None]) -> None:
        """End the stream if its task did not: cancelled, perhaps before its first step, or at fault."""
        if self.stream.ended:
            return
        if task.cancelled():
            self.stream.end(self._completion("cancelled") if self.begun else unstarted_completion())
            return
        logger.error("a remote answer met a fault of ours", exc_info=task.exception())
        self.stream.fail(_failed("the answer could not be taken from the model's server; see the log"))

    def _cancel(self) -> None:
        if self.task is not None:
            self.task.cancel()

    def _take(self, chunk: Chunk) -> None:
        if chunk.error is not None:
            raise _failed(f"the model's server failed: {chunk.complaint()}")
        self._usage = chunk.usage or self._usage
        for choice in chunk.choices[:1]:
            if choice.delta and choice.delta.content:
                now = time.monotonic()
                self._first_piece = self._first_piece or now
                self._pieces += 1
                self._characters += len(choice.delta.content)
                self.stream.put(Piece(choice.delta.content, (), now))
            if choice.finish_reason:
                self._reason = "length" if choice.finish_reason == "length" else "stop"

    def _completion(self, reason: FinishReason) -> Completion:
        now, details = time.monotonic(), self._usage.prompt_tokens_details
        first_token_ms = _ms((self._first_piece or now) - self._asked)
        return Completion(
            reason=reason,
            token_ids=(),
            prompt_tokens=self._usage.prompt_tokens,
            cached_tokens=(details.cached_tokens or 0) if details else 0,
            # Servers send about a token a piece; those that report no usage leave us to count.
            completion_tokens=self._usage.completion_tokens or self._pieces,
            first_token_ms=first_token_ms,
            total_ms=_ms(now - self._asked),
        )


async def _raise_for_status(response: aiohttp.ClientResponse) -> None:
    status = response.status
    if status in _REFUSED:
        message = "the model's server refused the key; set the secret `llm_api_key`"
        raise ModelError("MODEL_REMOTE_REFUSED", message)
    if status == _BUSY:
        retry_after = _retry_after(response.headers.get("Retry-After", ""))
        message = f"the model's server is busy; try again in {retry_after:g} s"
        raise ModelError("MODEL_REMOTE_BUSY", message, retry_after=retry_after)
    if status != 200:  # noqa: PLR2004 - OK
        complaint = said(await response.content.read(_ERROR_BODY_BYTES))
        raise _failed(f"the model's server answered with status {status}" + (complaint and f": {complaint}"))


def _retry_after(header: str) -> float:
    """Read seconds; a date, which hardly anyone sends here, counts as the usual wait."""
    try:
        seconds = float(header)
    except ValueError:
        return _BUSY_SECONDS
    return seconds if 0 <= seconds <= 3600 else _BUSY_SECONDS  # noqa: PLR2004 - an hour; excludes NaN


def _failed(message: str) -> ModelError:
    return ModelError("MODEL_REMOTE_FAILED", message)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)
