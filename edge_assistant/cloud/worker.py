"""The cloud's side: takes questions from the broker, lets an OpenAI-compatible server answer them.

A worker keeps nothing but what it answers right now. Any number of them share the questions of all
devices; when one dies its devices ask again (docs/scale.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from edge_assistant.cloud.job import Job
from edge_assistant.cloud.wire import (
    BAD,
    SHARED,
    Acknowledged,
    Ask,
    Cancel,
    Failed,
    Resume,
    control_topic,
    decode_ask,
    decode_control,
    device_in,
    encode,
    reply_topic,
)
from edge_assistant.llm.protocol import LanguageModel
from edge_assistant.mqtt.connection import Connection, Incoming, OfflineError, Outgoing

logger = logging.getLogger(__name__)

LEASE_SECONDS = 4.0
PARALLEL, QUEUE = 16, 32
BUSY_SECONDS = 2.0
"""When a device may come back that found the queue full."""

MOST_PER_DEVICE = 16
"""Questions of one device at a time, as many as a device of ours asks: none keeps the others out."""

_KNOWN = 4096
"""Attempts that are remembered, so that one that comes twice is worked on once."""

Key = tuple[str, str, int]
"""Device, question, attempt."""


class Counters(msgspec.Struct):
    """What a worker did since it started."""

    taken: int = 0
    finished: int = 0
    failed: int = 0
    late: int = 0
    cancelled: int = 0
    refused: int = 0
    duplicates: int = 0
    unreadable: int = 0
    chunks: int = 0


class CloudWorker:
    """Answers questions that come over `connection`, at most `parallel` at a time; `queue` more wait."""

    def __init__(
        self,
        connection: Connection,
        model: LanguageModel,
        *,
        name: str = "",
        parallel: int = PARALLEL,
        queue: int = QUEUE,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self.name = name or secrets.token_hex(8)
        self.counters = Counters()
        self._connection = connection
        self._model = model
        self._most = parallel + queue
        self._places = asyncio.Semaphore(parallel)
        self._lease = lease_seconds
        self._jobs: dict[Key, Job] = {}
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._known: OrderedDict[Key, None] = OrderedDict()
        connection.subscribe(SHARED, self._asked)
        connection.subscribe(control_topic("+", self.name), self._told)

    @property
    def working(self) -> int:
        """Questions that it has taken and not ended."""
        return len(self._jobs)

    @property
    def healthy(self) -> bool:
        """Whether it can take questions: it is connected, and its server did not just fail."""
        return self._connection.online and self._model.status.phase == "ready"

    async def stop(self) -> None:
        """Give up what runs; the devices ask others."""
        tasks = list(self._tasks.values())
        for key in list(self._tasks):
            await self._refuse(key, again=True, retry_after=0.0, code="CLOUD_GONE")
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _asked(self, message: Incoming) -> None:
        device = device_in(message.topic)
        try:
            ask = decode_ask(message.payload)
        except BAD:
            self.counters.unreadable += 1
            return
        named = message.correlation == ask.id.encode() and message.response_topic == reply_topic(device)
        if not (device and named) or message.retain:
            self.counters.unreadable += 1
            return
        key = (device, ask.id, ask.attempt)
        if key in self._known:
            self.counters.duplicates += 1
            return
        own = sum(each[0] == device for each in self._jobs)
        if len(self._jobs) >= self._most or own >= MOST_PER_DEVICE:
            self.counters.refused += 1
            await self._refuse(key, again=True, retry_after=BUSY_SECONDS, code="CLOUD_BUSY")
            return
        self._remember(key)
        self._begin(key, ask, min(ask.seconds, message.expiry_seconds or ask.seconds))

    def _begin(self, key: Key, ask: Ask, seconds: float) -> None:
        device, question, attempt = key
        for other in [each for each in self._tasks if each[:2] == (device, question) and each[2] < attempt]:
            self._tasks[other].cancel()  # it asks anew: what was made before is of no use to it
        job = Job(
            device, ask, worker=self.name, connection=self._connection, model=self._model, place=self._place,
            seconds=seconds, lease_seconds=self._lease,
        )  # fmt: skip
        self.counters.taken += 1
        self._jobs[key] = job
        task = self._tasks[key] = asyncio.create_task(job.run(), name=f"cloud job {question[:8]}")
        task.add_done_callback(lambda done: self._ended(key, job, done))

    def _ended(self, key: Key, job: Job, task: asyncio.Task[None]) -> None:
        del self._jobs[key], self._tasks[key]
        self.counters.chunks += job.chunks
        setattr(self.counters, job.outcome, getattr(self.counters, job.outcome) + 1)
        if not task.cancelled() and (error := task.exception()):
            logger.error("a question failed: %s", type(error).__name__, exc_info=error)

    async def _told(self, message: Incoming) -> None:
        """Take what a device says about its own questions."""
        device = device_in(message.topic)
        try:
            control = decode_control(message.payload)
        except BAD:
            self.counters.unreadable += 1
            return
        key = (device, control.id, control.attempt)
        job = self._jobs.get(key)
        if job is None:
            if isinstance(control, Resume):  # what it waits for is gone: it shall ask again at once
                await self._refuse(key, again=True, retry_after=0.0, code="CLOUD_GONE")
            return
        match control:
            case Acknowledged(next=index):
                job.acknowledged(index)
            case Resume(next=index):
                job.resume(index)
            case Cancel():
                self._tasks[key].cancel()

    async def _refuse(self, key: Key, *, again: bool, retry_after: float, code: str) -> None:
        device, question, attempt = key
        failed = Failed(worker=self.name, attempt=attempt, code=code, again=again, retry_after=retry_after)
        message = Outgoing(
            topic=reply_topic(device), payload=encode(failed), qos=0, correlation=question.encode(),
            expiry_seconds=30,
        )  # fmt: skip
        with contextlib.suppress(OfflineError):
            await self._connection.publish(message)

    def _remember(self, key: Key) -> None:
        self._known[key] = None
        if len(self._known) > _KNOWN:
            self._known.popitem(last=False)

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        async with self._places:
            yield
