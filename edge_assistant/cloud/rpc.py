"""The device's side of the cloud: a `LanguageModel` whose answers come over the operator's broker.

What is said about a question is decided in `call.py`; this is its thin shell: topics, clock, streams.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Iterable

import msgspec

from edge_assistant.cloud.call import Action, Call, End, Request, Say, Tell
from edge_assistant.cloud.wire import (
    BAD,
    LARGEST_QUESTION_BYTES,
    Accepted,
    Alive,
    Ask,
    Cancel,
    Chunk,
    Control,
    Finished,
    Line,
    control_topic,
    decode_reply,
    encode,
    reply_topic,
    request_topic,
)
from edge_assistant.errors import ModelError
from edge_assistant.llm.protocol import Completion, FinishReason, Generation, ModelStatus, Piece, Stream
from edge_assistant.llm.stream import FedStream, unstarted_completion
from edge_assistant.mqtt.connection import Connection, Incoming, OfflineError, Outgoing
from edge_assistant.people.allowance import Allowance

logger = logging.getLogger(__name__)

NAME = "cloud"
DEADLINE_SECONDS = 120.0
"""After so long an answer is of no use to anybody."""

PATIENCE_SECONDS = 12.0
"""How long no worker may be heard of until the device helps itself."""

MOST_CALLS = 16

COMPLAINTS_A_MINUTE, STRANGERS_A_MINUTE, STRANGERS_AT_ONCE = 1.0, 60.0, 32
"""Lines in the log about what can't be read, and cancels of what was never asked: a broker that repeats
itself fills neither log nor line. A worker that no cancel reached gives up by itself."""

_TICK_SECONDS = 0.25


class CloudModel:
    """A model behind the broker. Nothing names the person or conversation; the device's name is in the topic.

    Errors raised while iterating: CLOUD_OFFLINE (no broker now), CLOUD_NO_WORKER (nobody answers),
    CLOUD_BUSY, CLOUD_LATE (past its deadline), CLOUD_TOO_LONG, CLOUD_NO_CONSENT (see `allow`),
    CLOUD_FAILED and what the worker names.
    """

    def __init__(
        self,
        connection: Connection,
        device: str,
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
        patience_seconds: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._device = device
        self._deadline = deadline_seconds
        self._patience = patience_seconds
        self._clock = clock
        self._open: dict[str, _Answer] = {}
        self._allowed = True
        self._complaints = Allowance(per_minute=COMPLAINTS_A_MINUTE, burst=1)
        self._strangers = Allowance(per_minute=STRANGERS_A_MINUTE, burst=STRANGERS_AT_ONCE)
        connection.subscribe(reply_topic(device), self._hear)
        connection.when_online(self._reconnected)

    @property
    def status(self) -> ModelStatus:
        """Ready while the broker is connected; whether a worker listens shows with the first question."""
        if self._connection.online:
            return ModelStatus(name=NAME, phase="ready")
        return ModelStatus(name=NAME, phase="failed", detail=self._connection.detail)

    async def start(self) -> None:
        """Do nothing: the connection is run by whoever made it."""

    async def stop(self) -> None:
        """End what runs as cancelled."""
        for answer in list(self._open.values()):
            await self._carry_out(answer, answer.call.cancel())
            answer.end_cancelled()

    def allow(self, *, allowed: bool) -> None:
        """Let questions leave, or none from now on: what is under way is given up and not asked again."""
        self._allowed = allowed
        if not allowed:
            for answer in self._open.values():
                answer.withdrawn = True
                answer.cancelled.set()

    def generate(self, generation: Generation) -> Stream:
        """Ask; the answer comes as it is made. Past `MOST_CALLS` or without a broker it fails at once."""
        call = Call(
            secrets.token_hex(16), now=self._clock(), deadline_seconds=self._deadline,
            patience_seconds=self._patience, begun=generation.begun,
        )  # fmt: skip
        answer = _Answer(call, generation, self._clock)
        if not self._allowed:
            answer.stream.fail(ModelError("CLOUD_NO_CONSENT", "nobody here agreed to the cloud"))
        elif not self._connection.online:
            answer.stream.fail(_offline())
        elif len(self._open) >= MOST_CALLS:
            answer.stream.fail(ModelError("CLOUD_BUSY", "too much is asked of the cloud", retry_after=10.0))
        else:
            self._open[call.id] = answer
            answer.task = asyncio.create_task(self._run(answer), name=f"cloud call {call.id[:8]}")
        return answer.stream

    async def prepare(self, generation: Generation) -> None:
        """Do nothing: what may never be asked is not sent."""

    async def forget(self, conversation: str) -> None:
        """Do nothing: nobody there knows which conversation a question belonged to."""

    async def _run(self, answer: _Answer) -> None:
        """Keep a call going until it ends."""
        call = answer.call
        try:
            await self._carry_out(answer, call.begin(self._clock()))
            while not answer.stream.ended:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_TICK_SECONDS):
                        await answer.cancelled.wait()
                if answer.withdrawn:
                    await self._carry_out(answer, call.withdraw())
                elif answer.cancelled.is_set():
                    await self._carry_out(answer, call.cancel())
                    answer.end_cancelled()
                else:
                    online = self._connection.online
                    if not online:
                        self._connection.hurry()
                    await self._carry_out(answer, call.tick(self._clock(), online=online))
        finally:
            self._open.pop(call.id, None)
            if not answer.stream.ended:
                answer.stream.fail(ModelError("CLOUD_FAILED", "asking the cloud went wrong; see the log"))

    async def _hear(self, message: Incoming) -> None:
        """Take a reply; what can't be read, or is for no question of ours, changes nothing."""
        name = message.correlation.decode("ascii", errors="replace")
        try:
            reply = decode_reply(message.payload)
        except BAD:
            if not self._complaints.take("", self._clock()):
                logger.warning("the cloud sent what can't be read: %d bytes", len(message.payload))
            return
        answer = self._open.get(name)
        if answer is not None:
            await self._carry_out(answer, answer.call.hear(reply, self._clock()))
        elif isinstance(reply, Accepted | Alive | Chunk) and not self._strangers.take("", self._clock()):
            with contextlib.suppress(*BAD):
                await self._tell(reply.worker, _cancel(name, reply.attempt))

    async def _reconnected(self) -> None:
        for answer in list(self._open.values()):
            await self._carry_out(answer, answer.call.reconnected(self._clock()))

    async def _carry_out(self, answer: _Answer, actions: Iterable[Action]) -> None:
        for action in actions:
            match action:
                case Say(text=text):
                    answer.say(text)
                case Tell(worker=worker, message=message):
                    await self._tell(worker, message)
                case End(finished=finished, error=error):
                    answer.end(finished, error)
                case Request():
                    await self._ask(answer, action)

    async def _ask(self, answer: _Answer, request: Request) -> None:
        if not self._allowed:
            return
        payload = encode(_ask(answer.call.id, answer.generation, request))
        if len(payload) > LARGEST_QUESTION_BYTES:
            answer.call.ended = True
            answer.end(None, ModelError("CLOUD_TOO_LONG", "this is too long for the cloud"))
            return
        message = Outgoing(
            topic=request_topic(self._device), payload=payload, correlation=answer.call.id.encode(),
            response_topic=reply_topic(self._device), expiry_seconds=max(1, int(request.seconds)),
        )  # fmt: skip
        with contextlib.suppress(OfflineError):  # asked again when the link is back
            await self._connection.publish(message)

    async def _tell(self, worker: str, message: Control) -> None:
        with contextlib.suppress(OfflineError):  # said again when the link is back
            await self._connection.publish(
                Outgoing(topic=control_topic(self._device, worker), payload=encode(message), qos=0)
            )


class _Answer:
    """A call and the stream that its text goes to."""

    def __init__(self, call: Call, generation: Generation, clock: Callable[[], float]) -> None:
        self.call = call
        self.generation = generation
        self.cancelled = asyncio.Event()
        self.withdrawn = False
        """Whether it may not be asked any more."""
        self.stream = FedStream(self.cancelled.set)
        self.task: asyncio.Task[None] | None = None
        self._clock = clock
        self._asked = clock()
        self._first: float | None = None

    def say(self, text: str) -> None:
        """Pass on new text."""
        self._first = self._first or self._clock()
        self.stream.put(Piece(text, (), time.monotonic()))

    def end(self, finished: Finished | None, error: Exception | None) -> None:
        """End the stream in order, or with the error."""
        if self.stream.ended:
            return
        if finished is not None:
            self.stream.end(self._completion(finished.reason, finished))
        else:
            assert isinstance(error, ModelError)
            logger.info("a question to the cloud failed: %s", error.code)
            self.stream.fail(error)
        self.cancelled.set()  # wakes the task, which finds the stream ended

    def end_cancelled(self) -> None:
        """End the stream as somebody wished."""
        if not self.stream.ended:
            self.stream.end(self._completion("cancelled", None) if self._first else unstarted_completion())

    def _completion(self, reason: FinishReason, finished: Finished | None) -> Completion:
        now = self._clock()
        return Completion(
            reason=reason,
            token_ids=(),
            prompt_tokens=finished.prompt_tokens if finished else 0,
            cached_tokens=0,
            completion_tokens=finished.completion_tokens if finished else self.call.chunks,
            first_token_ms=_ms((self._first or now) - self._asked),
            total_ms=_ms(now - self._asked),
        )


def _ask(call_id: str, generation: Generation, request: Request) -> Ask:
    sampling = generation.sampling
    return Ask(
        id=call_id,
        attempt=request.attempt,
        messages=tuple(Line(message.role, message.content) for message in generation.messages),
        seconds=round(max(request.seconds, 0.0), 1),
        max_tokens=sampling.max_tokens,
        temperature=sampling.temperature,
        resume_from=request.next,
        begun=request.begun,
    )


def _cancel(name: str, attempt: int) -> Cancel:
    return msgspec.convert({"type": "cancel", "id": name, "attempt": attempt}, Cancel)


def _offline() -> ModelError:
    return ModelError("CLOUD_OFFLINE", "the cloud's broker can't be reached now", retry_after=30.0)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)
