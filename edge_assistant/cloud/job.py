"""One question at a worker: the answer is made once, and said as far as the device can take it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

from edge_assistant.cloud.wire import (
    LONGEST_ANSWER,
    LONGEST_CHUNK,
    MOST_CHUNKS,
    WINDOW,
    Accepted,
    Alive,
    Ask,
    Chunk,
    Failed,
    Finished,
    Reply,
    encode,
    reply_topic,
)
from edge_assistant.errors import EdgeError
from edge_assistant.llm.protocol import Completion, Generation, LanguageModel, Message, Piece, Sampling
from edge_assistant.llm.seam import Seam
from edge_assistant.mqtt.connection import Connection, OfflineError, Outgoing

logger = logging.getLogger(__name__)

KEPT_SECONDS = 30.0
"""How long a finished answer is kept for a device that lost a piece."""

_BUSY = "MODEL_REMOTE_BUSY"
_ENDLESS = "CLOUD_ENDLESS"
_HOPELESS = frozenset({"MODEL_REMOTE_REFUSED", _ENDLESS})
"""No other try would end better."""

_UPSTREAM_TRIES = 2
_OFFLINE_PAUSE_SECONDS = 0.1

Place = Callable[[], AbstractAsyncContextManager[None]]


class Job:
    """Works on one attempt of one question of one device; `run` it as a task."""

    def __init__(
        self,
        device: str,
        ask: Ask,
        *,
        worker: str,
        connection: Connection,
        model: LanguageModel,
        place: Place,
        seconds: float,
        lease_seconds: float,
    ) -> None:
        self.device = device
        self.ask = ask
        self.outcome = "cancelled"
        """How it ended, for metrics: `finished`, `failed`, `late` or `cancelled`."""
        self._worker = worker
        self._connection = connection
        self._model = model
        self._place = place
        self._lease = lease_seconds
        self._deadline = time.monotonic() + seconds
        self._heard = time.monotonic()
        """When the device was last heard."""
        self._base = ask.resume_from
        """Index of the first chunk made here."""
        self._chunks: list[str] = []
        self._characters = len(ask.begun)
        self._next = self._acknowledged = ask.resume_from
        """Index of the next chunk to be said; of the first that is not known to have arrived."""
        self._last: Finished | Failed | None = None
        """Said after the chunks; None while the answer is made."""
        self._last_said = False
        self._news = asyncio.Event()
        self._said_at = 0.0
        self._idle = False
        """Whether the last thing that was said is that we live."""

    @property
    def chunks(self) -> int:
        """How many pieces the answer has so far."""
        return len(self._chunks)

    def acknowledged(self, index: int) -> None:
        """Take that the device has all chunks before `index`; after a silence also that it has no more."""
        if self._idle:
            self.resume(index)
        elif self._acknowledged < index <= self._base + len(self._chunks):
            self._acknowledged = index
            self._news.set()
        self._heard = time.monotonic()

    def resume(self, index: int) -> None:
        """Say the chunks from `index` on again: the device lacks them, and none that it once had."""
        self._heard = time.monotonic()
        if self._acknowledged <= index <= self._base + len(self._chunks):
            self._acknowledged = index
            self._next, self._last_said = index, False
            self._news.set()

    async def run(self) -> None:
        """Make the answer and say it, until it fails, nobody is there or its time is up.

        A device that has all of it, or wants no more, says so: then this is cancelled.
        """
        making = asyncio.create_task(self._make(), name=f"cloud answer {self.ask.id[:8]}")
        try:
            await self._say(Accepted(worker=self._worker, attempt=self.ask.attempt, lease=self._lease))
            await self._tell_all()
        finally:
            making.cancel()
            await asyncio.gather(making, return_exceptions=True)

    async def _make(self) -> None:
        """Let the model answer; what comes of it is the last thing that is said."""
        try:
            async with self._place():
                self._last = await self._answer()
            self.outcome = "finished"
        except EdgeError as error:
            self.outcome = "failed"
            self._last = self._failed(error)
        except Exception:
            self.outcome = "failed"
            logger.exception("a question met a fault of ours")
            self._last = Failed(
                worker=self._worker, attempt=self.ask.attempt, code="CLOUD_FAILED", again=True
            )
        finally:
            self._news.set()

    async def _answer(self) -> Finished:
        """Ask upstream until it answers; a second time it goes on where the first broke off."""
        seam, tries = Seam(self.ask.begun), 0
        while True:
            stream = self._model.generate(_generation(self.ask, self.ask.begun + "".join(self._chunks)))
            try:
                async for item in stream:
                    if isinstance(item, Piece):
                        self._add(seam.feed(item.text))
                self._add(seam.finish())
                return self._finished(stream.completion)
            except EdgeError as error:
                tries += error.code != _BUSY
                if tries >= _UPSTREAM_TRIES or error.code in _HOPELESS:
                    raise
                await self._wait(error)
                seam = Seam(self.ask.begun + "".join(self._chunks))
            finally:
                if stream.completion is None:
                    with contextlib.suppress(EdgeError):
                        await stream.cancel()

    async def _wait(self, error: EdgeError) -> None:
        """Wait as long as upstream wants; raises when that is past the deadline."""
        pause = error.retry_after if error.code == _BUSY and error.retry_after else 0.2
        if time.monotonic() + pause >= self._deadline:
            raise error
        await asyncio.sleep(pause)

    def _add(self, text: str) -> None:
        self._characters += len(text)
        if self._characters > LONGEST_ANSWER or self._base + len(self._chunks) >= MOST_CHUNKS:
            raise EdgeError(_ENDLESS, "an answer that never ends")
        for start in range(0, len(text), LONGEST_CHUNK):
            self._chunks.append(text[start : start + LONGEST_CHUNK])
        self._news.set()

    async def _tell_all(self) -> None:
        """Say chunks in their order, a window ahead at most, and that we live while there are none."""
        while not self._over():
            if self._connection.online:
                await self._say_what_is_due()
            pause = self._lease / 4 if self._connection.online else _OFFLINE_PAUSE_SECONDS
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._news.wait()
            self._news.clear()

    async def _say_what_is_due(self) -> None:
        try:
            async for reply in self._due():
                await self._publish(reply)
                self._said_at, self._idle = time.monotonic(), isinstance(reply, Alive)
        except OfflineError:
            return

    async def _due(self) -> AsyncIterator[Reply]:
        """Yield what is to be said now; each counts as said when the next is asked for."""
        attempt, worker = self.ask.attempt, self._worker
        while self._base <= self._next < min(self._base + len(self._chunks), self._acknowledged + WINDOW):
            index = self._next
            self._next += 1
            yield Chunk(worker=worker, attempt=attempt, index=index, text=self._chunks[index - self._base])
        if self._last is not None and not self._last_said and self._next == self._base + len(self._chunks):
            yield self._last
            self._last_said = True
        if time.monotonic() - self._said_at >= self._lease / 4 - 0.01:
            yield Alive(worker=worker, attempt=attempt)

    def _over(self) -> bool:
        """Whether nothing remains to be done: it failed, the time is up, or nobody is there."""
        now = time.monotonic()
        if isinstance(self._last, Failed) and self._last_said:
            return True
        if now >= self._deadline:
            self.outcome = "finished" if self.outcome == "finished" else "late"
            return True
        return now - self._heard > KEPT_SECONDS

    async def _say(self, reply: Reply) -> None:
        with contextlib.suppress(OfflineError):
            await self._publish(reply)

    async def _publish(self, reply: Reply) -> None:
        left = max(1, int(self._deadline - time.monotonic()))
        message = Outgoing(
            topic=reply_topic(self.device), payload=encode(reply), qos=0,
            correlation=self.ask.id.encode(), expiry_seconds=left,
        )  # fmt: skip
        await self._connection.publish(message)

    def _finished(self, completion: Completion | None) -> Finished:
        assert completion is not None
        return Finished(
            worker=self._worker, attempt=self.ask.attempt, chunks=self._base + len(self._chunks),
            reason=completion.reason, prompt_tokens=completion.prompt_tokens,
            completion_tokens=completion.completion_tokens,
        )  # fmt: skip

    def _failed(self, error: EdgeError) -> Failed:
        """Return what the device may know: a code, never what upstream said."""
        refused = error.code == "MODEL_REMOTE_REFUSED"
        code = "CLOUD_REFUSED" if refused else "CLOUD_BUSY" if error.code == _BUSY else "CLOUD_FAILED"
        return Failed(
            worker=self._worker, attempt=self.ask.attempt, code=code, again=error.code not in _HOPELESS,
            retry_after=min(error.retry_after or 0.0, 600.0) if code == "CLOUD_BUSY" else 0.0,
        )  # fmt: skip


def _generation(ask: Ask, begun: str) -> Generation:
    return Generation(
        id=f"{ask.id}-{ask.attempt}",
        messages=tuple(Message(line.role, line.content) for line in ask.messages),
        sampling=Sampling(max_tokens=ask.max_tokens, temperature=ask.temperature),
        public=False,
        begun=begun,
    )
