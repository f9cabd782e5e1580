"""One question to the cloud from the device's side: what is missing, who answers, when to ask again.

Pure: time is an argument, messages go in and come out. A call ends once, with its whole text or an
honest failure. It listens to one worker at a time; what others send, and what comes twice, changes
nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edge_assistant.cloud.wire import (
    LONGEST_ANSWER,
    WINDOW,
    Accepted,
    Acknowledged,
    Alive,
    Cancel,
    Chunk,
    Control,
    Failed,
    Finished,
    Reply,
    Resume,
)
from edge_assistant.errors import EdgeError, ModelError

ACCEPT_SECONDS = 2.0
"""A worker takes a question at once or not at all; then it names its own lease."""

MOST_FAILURES = 3
"""Workers that may give up on one question."""

BLAMELESS = frozenset({"CLOUD_BUSY", "CLOUD_GONE"})
"""What a worker says that has no room, or stops: no fault of the question."""

_BUSY_SECONDS = 0.5
"""How soon another worker is asked at first when one is busy."""


@dataclass(frozen=True)
class Request:
    """Publish the question again, with the prefix."""

    attempt: int
    next: int
    begun: str
    seconds: float


@dataclass(frozen=True)
class Tell:
    """Tell a worker."""

    worker: str
    message: Control


@dataclass(frozen=True)
class Say:
    """New text."""

    text: str


@dataclass(frozen=True)
class End:
    """The call is over: complete, or with an error."""

    finished: Finished | None
    error: EdgeError | None = None


Action = Request | Tell | Say | End


class Call:
    """The state of one question. `now` is any clock that only runs forward, in seconds."""

    def __init__(
        self, call_id: str, *, now: float, deadline_seconds: float, patience_seconds: float, begun: str = ""
    ) -> None:
        self.id = call_id
        self.text = begun
        self.chunks = 0
        """Chunks received without a gap; the index of the next."""
        self.attempt = 0
        self.worker = ""
        """Who answers this attempt; empty until somebody accepts it."""
        self.ended = False
        self._deadline = now + deadline_seconds
        self._patience = patience_seconds
        self._lease = ACCEPT_SECONDS
        self._heard = now
        """When the present attempt was made or its worker last heard."""
        self._served = now
        """When any worker was last heard that did not refuse."""
        self._probed = False
        """Whether the worker was asked to go on since it was last heard."""
        self._acknowledged = 0
        self._failures = 0
        self._again_at: float | None = None
        """When to ask again after a worker was busy; None when none was."""

    def begin(self, now: float) -> Iterator[Action]:
        """Ask for the first time."""
        yield self._ask(now)

    def hear(self, reply: Reply, now: float) -> Iterator[Action]:
        """Take what a worker says."""
        if self.ended or reply.attempt != self.attempt or (self.worker and reply.worker != self.worker):
            yield from self._refuse(reply)
            return
        if not isinstance(reply, Failed):
            self.worker = reply.worker
            self._served = now
        self._heard = now
        match reply:
            case Accepted(lease=lease):
                self._lease = lease
            case Alive():  # said when nothing is on its way: what is missing now is lost
                self._probed = False
                yield Tell(self.worker, self._ack())
            case Chunk():
                yield from self._take(reply)
            case Finished():
                yield from self._finish(reply)
            case Failed():
                yield from self._failed(reply, now)

    def tick(self, now: float, *, online: bool = True) -> Iterator[Action]:
        """Look at the clock; call it several times in a lease."""
        if self.ended:
            return
        if now >= self._deadline:
            yield from self._fail("CLOUD_LATE", "the cloud did not answer in time")
        elif now - self._served >= self._patience and not online:
            yield from self._fail("CLOUD_OFFLINE", "the cloud's broker can't be reached any more")
        elif now - self._served >= self._patience:
            yield from self._fail("CLOUD_NO_WORKER", "nobody at the cloud's broker answers")
        elif self._again_at is not None:
            if now >= self._again_at:
                yield self._ask(now)
        elif now - self._heard >= self._lease:
            if self.worker:
                yield Tell(self.worker, Cancel(id=self.id, attempt=self.attempt))
            yield self._ask(now)
        elif self.worker and not self._probed and now - self._heard >= self._lease / 2:
            self._probed = True
            yield Tell(self.worker, self._resume())

    def reconnected(self, now: float) -> Iterator[Action]:
        """Take that the link is back: ask the worker to go on, or ask anew."""
        if self.ended or self._again_at is not None:
            return
        self._served = max(self._served, now - self._patience / 2)  # it could not be heard meanwhile
        if self.worker:
            self._heard, self._probed = now - self._lease / 2, True
            yield Tell(self.worker, self._resume())
        else:
            yield self._ask(now)

    def cancel(self) -> Iterator[Action]:
        """End it: nobody waits any more."""
        if self.ended:
            return
        self.ended = True
        if self.worker:
            yield Tell(self.worker, Cancel(id=self.id, attempt=self.attempt))

    def withdraw(self) -> Iterator[Action]:
        """End it: it may not be asked any more."""
        if not self.ended:
            yield from self._fail("CLOUD_NO_CONSENT", "nobody here agrees to the cloud any more")

    def _ask(self, now: float) -> Request:
        self.attempt += 1
        self.worker, self._heard, self._probed, self._again_at = "", now, False, None
        self._acknowledged = self.chunks
        self._lease = ACCEPT_SECONDS
        return Request(self.attempt, self.chunks, self.text, self._deadline - now)

    def _take(self, chunk: Chunk) -> Iterator[Action]:
        if chunk.index < self.chunks:
            return
        if chunk.index > self.chunks:
            yield from self._missing()
            return
        if len(self.text) + len(chunk.text) > LONGEST_ANSWER:
            yield Tell(self.worker, Cancel(id=self.id, attempt=self.attempt))
            yield from self._fail("CLOUD_FAILED", "the cloud's answer never ends")
            return
        self._probed = False
        self.chunks += 1
        self.text += chunk.text
        yield Say(chunk.text)
        if self.chunks - self._acknowledged >= WINDOW // 4:
            yield Tell(self.worker, self._ack())

    def _missing(self) -> Iterator[Action]:
        """Ask for what got lost, once until the next chunk that fits."""
        if not self._probed:
            self._probed = True
            yield Tell(self.worker, self._resume())

    def _finish(self, finished: Finished) -> Iterator[Action]:
        if finished.chunks > self.chunks:
            yield from self._missing()
            return
        if finished.chunks < self.chunks:  # a worker that lost count: its text is not to be trusted
            yield from self._fail("CLOUD_FAILED", "the cloud's answer has a gap")
            return
        self.ended = True
        yield Tell(self.worker, Cancel(id=self.id, attempt=self.attempt))
        yield End(finished)

    def _failed(self, failed: Failed, now: float) -> Iterator[Action]:
        busy = failed.code == "CLOUD_BUSY"
        self._failures += failed.code not in BLAMELESS
        if not failed.again or self._failures >= MOST_FAILURES:
            yield from self._fail(failed.code, "the cloud could not answer")
            return
        # Another worker may be free: the first time nobody is kept waiting as long as one said.
        wait = min(failed.retry_after, _BUSY_SECONDS) if self.attempt == 1 else failed.retry_after
        self.worker = ""
        self._again_at = now + max(wait, _BUSY_SECONDS / 2)
        if self._again_at >= min(self._deadline, self._served + self._patience) and busy:
            yield from self._fail("CLOUD_BUSY", "the cloud is busy")

    def _refuse(self, reply: Reply) -> Iterator[Action]:
        """Tell a worker that works for nobody so."""
        if isinstance(reply, Accepted | Alive):
            yield Tell(reply.worker, Cancel(id=self.id, attempt=reply.attempt))

    def _fail(self, code: str, message: str) -> Iterator[Action]:
        self.ended = True
        if self.worker:
            yield Tell(self.worker, Cancel(id=self.id, attempt=self.attempt))
        yield End(None, ModelError(code, message, retry_after=30.0))

    def _ack(self) -> Acknowledged:
        self._acknowledged = self.chunks
        return Acknowledged(id=self.id, attempt=self.attempt, next=self.chunks)

    def _resume(self) -> Resume:
        return Resume(id=self.id, attempt=self.attempt, next=self.chunks)
