"""Keeps one child process running: starts it, watches it, and starts it again when it dies."""

from __future__ import annotations

import asyncio
import logging
import os
import time
import weakref
from collections.abc import Callable
from typing import Any, Generic, Literal, TypeVar

import msgspec

from edge_assistant.errors import WorkerError
from edge_assistant.workers.backoff import Backoff, RestartPolicy
from edge_assistant.workers.frames import PROTOCOL_VERSION, Greeting, Hello
from edge_assistant.workers.process import ChildProcess, Limits

logger = logging.getLogger(__name__)

Reply = TypeVar("Reply")
WorkerPhase = Literal["starting", "ready", "restarting", "failed", "stopped"]

_CHECK_SECONDS = 1.0

UNATTENDED_SECONDS = 30.0
"""A worker that nobody looked at for so long has lost its supervisor."""

_WORKERS: weakref.WeakSet[Worker[Any]] = weakref.WeakSet()
"""Every worker of this process, for the watchdog and for figures."""


def workers() -> list[Worker[Any]]:
    """Return the workers of this process by name, those that were never started too."""
    return sorted(_WORKERS, key=lambda each: each.name)


def attended(now: float) -> bool:
    """Return whether every started worker has a supervisor that looks after it (`time.monotonic`)."""
    return all(each.attended(now) for each in _WORKERS)


class WorkerSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What to run and what it must keep to."""

    name: str
    target: str
    """`package.module:function`, called with a `Channel` and the settings as msgpack."""
    settings: msgspec.Struct
    memory_limit_mb: int = 0
    """Resident memory, mapped model files included, above which it is restarted; 0 is no limit."""
    nice: int = 0
    cores: int = 0
    """CPUs it may use; 0 is all."""
    start_timeout_seconds: float = 120.0
    """From spawn until the target is imported; loading a model comes after that."""
    heartbeat_timeout_seconds: float = 5.0
    step_timeout_seconds: float = 60.0
    heartbeat_seconds: float = 1.0
    restart: RestartPolicy = RestartPolicy()


class WorkerState(msgspec.Struct, frozen=True, kw_only=True):
    """How a worker is doing."""

    phase: WorkerPhase
    pid: int | None = None
    restarts: int = 0
    """Times it was started again since `start`."""
    rss_bytes: int = 0
    detail: str = ""
    """Why it is not running, in words; empty when it is."""


class Worker(Generic[Reply]):
    """One supervised child process.

    `on_message` gets each decoded reply and `on_state` each change of phase, in the event loop;
    neither may block. All replies of one life come before the state that ends it.
    """

    def __init__(
        self,
        spec: WorkerSpec,
        reply_type: Any,
        on_message: Callable[[Reply], None],
        on_state: Callable[[WorkerState], None],
    ) -> None:
        self._spec = spec
        self._decoder: msgspec.msgpack.Decoder[Reply] = msgspec.msgpack.Decoder(reply_type)
        self._encoder = msgspec.msgpack.Encoder()
        self._on_message = on_message
        self._on_state = on_state
        self._state = WorkerState(phase="stopped")
        self._child: ChildProcess | None = None
        """The present life; None between lives."""
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._looked_at = 0.0
        """`time.monotonic` when the supervisor last looked at the child."""
        _WORKERS.add(self)

    @property
    def name(self) -> str:
        """What it is called."""
        return self._spec.name

    def attended(self, now: float) -> bool:
        """Return whether its supervisor does its work; a worker that needs none is attended."""
        if self._task is None or self._stopping or self._state.phase == "failed":
            return True
        late = self._state.phase == "ready" and now - self._looked_at > UNATTENDED_SECONDS
        return not (self._task.done() or late)

    @property
    def state(self) -> WorkerState:
        """How it is doing now; `rss_bytes` is at most a heartbeat old."""
        rss_bytes = self._child.heartbeat.rss_bytes if self._child else 0
        return msgspec.structs.replace(self._state, rss_bytes=rss_bytes)

    async def start(self) -> None:
        """Begin supervising; returns at once, `on_state` tells when the child is ready."""
        assert self._task is None, "start was called twice"
        self._stopping = False
        self._change("starting", restarts=0)
        self._task = asyncio.create_task(self._supervise(), name=f"worker {self._spec.name}")

    async def stop(self, grace_seconds: float = 5.0) -> None:
        """Ask the child to leave, kill it after `grace_seconds`, and reap it. Idempotent."""
        if self._task is None:
            return
        self._stopping = True
        if self._child is not None:
            self._child.ask_to_stop()
            await asyncio.wait([self._child.ended], timeout=grace_seconds)
        self._task.cancel()
        await asyncio.wait([self._task])
        self._task = None
        self._change("stopped")

    def send(self, message: msgspec.Struct) -> None:
        """Send a message; messages sent before the child is ready wait for it.

        Raises `WorkerError`: WORKER_GONE between lives, WORKER_BUSY when too much is unread,
        WORKER_BAD_FRAME when the message is too long.
        """
        if self._child is None:
            raise WorkerError("WORKER_GONE", f"the {self._spec.name} worker is not running", retry_after=1.0)
        self._child.send(self._encoder.encode(message))

    async def _supervise(self) -> None:
        backoff = Backoff(self._spec.restart)
        while True:
            reason, lived_seconds, again = await self._live()
            if self._stopping:
                return
            if not again:
                logger.error("the %s worker can't run: %s", self._spec.name, reason)
                self._change("failed", reason)
                return
            wait = backoff.after(lived_seconds)
            logger.warning("the %s worker died: %s; restart in %.1f s", self._spec.name, reason, wait)
            self._change("restarting", reason)
            await asyncio.sleep(wait)
            self._change("starting", restarts=self._state.restarts + 1)

    async def _live(self) -> tuple[str, float, bool]:
        """Run one child to its end; return why it ended, seconds it was ready, whether to try again."""
        child = ChildProcess(
            self._spec.name, self._limits(), on_greeting=self._greeted, on_message=self._received
        )
        try:
            await child.spawn(self._spec.target, self._hello())
            self._child = child
            await self._watch(child)
            reason = child.ended.result() or await child.exit_reason()
        except (OSError, RuntimeError) as error:  # no memory, files, processes or threads left
            reason = f"it could not be started: {error}"
        finally:
            self._child = None
            await child.reap()
        lived = 0.0 if child.greeted_at is None else time.monotonic() - child.greeted_at
        return reason, lived, not child.of_other_version

    async def _watch(self, child: ChildProcess) -> None:
        """Return when `child.ended` is resolved, checking it once a second until then."""
        while not child.ended.done():
            await asyncio.wait([child.ended], timeout=_CHECK_SECONDS)
            self._looked_at = time.monotonic()
            if not self._stopping:
                child.check(time.monotonic())

    def _greeted(self, greeting: Greeting) -> None:
        if greeting.protocol == PROTOCOL_VERSION:
            self._looked_at = time.monotonic()
            self._change("ready")

    def _received(self, payload: bytes) -> None:
        reply = self._decoder.decode(payload)
        try:
            self._on_message(reply)
        except Exception:  # a fault in one consumer must not take the worker down
            logger.exception("a message of the %s worker could not be handled", self._spec.name)

    def _change(self, phase: WorkerPhase, detail: str = "", restarts: int | None = None) -> None:
        self._state = WorkerState(
            phase=phase,
            pid=self._child.pid if self._child else None,
            restarts=self._state.restarts if restarts is None else restarts,
            detail=detail,
        )
        try:
            self._on_state(self._state)
        except Exception:  # the same
            logger.exception("the state of the %s worker could not be handled", self._spec.name)

    def _hello(self) -> Hello:
        spec = self._spec
        return Hello(
            protocol=PROTOCOL_VERSION,
            parent_pid=os.getpid(),
            settings=self._encoder.encode(spec.settings),
            heartbeat_seconds=spec.heartbeat_seconds,
            nice=spec.nice,
            cores=spec.cores,
        )

    def _limits(self) -> Limits:
        spec = self._spec
        return Limits(
            memory_limit_mb=spec.memory_limit_mb,
            start_timeout_seconds=spec.start_timeout_seconds,
            heartbeat_timeout_seconds=spec.heartbeat_timeout_seconds,
            step_timeout_seconds=spec.step_timeout_seconds,
        )
