"""One life of a child process, from spawn to reaping; the supervisor strings lives together."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping

import msgspec

from edge_assistant.errors import WorkerError
from edge_assistant.workers.frames import (
    PROTOCOL_VERSION,
    Frame,
    FrameError,
    FrameKind,
    FrameParser,
    Greeting,
    Heartbeat,
    Hello,
    encode_frame,
)

logger = logging.getLogger(__name__)

MAX_UNSENT_BYTES = 16 << 20
"""Bytes that may wait for a child that does not read; more is refused."""

_LOG_LINE_BYTES = 500
_EXIT_SECONDS = 2.0
"""How long a child may take to exit once its connection is closed."""

_LATE_CHECK_SECONDS = 3.0
"""A check this late means that the daemon itself stood still: nobody's heartbeat is judged by it."""

_SECRET_PREFIXES = ("EDGE_ASSISTANT_SECRET_", "CREDENTIALS_DIRECTORY")


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a child must keep to; 0 MB of memory is no limit."""

    memory_limit_mb: int
    start_timeout_seconds: float
    heartbeat_timeout_seconds: float
    step_timeout_seconds: float


class ChildProcess(asyncio.Protocol):
    """A spawned child and the connection to it.

    `ended` resolves to why this life is over, in words; the process may still run then, and
    `reap` ends it for sure. `on_message` gets payloads right in the event loop's read callback.
    """

    def __init__(
        self,
        name: str,
        limits: Limits,
        *,
        on_greeting: Callable[[Greeting], None],
        on_message: Callable[[bytes], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[str] = loop.create_future()
        self.heartbeat = Heartbeat(steps=0, busy_seconds=0.0, rss_bytes=0)
        self.greeted_at: float | None = None
        """`time.monotonic` when the child was set up; None before."""
        self.of_other_version = False
        """The program was changed under the running daemon: starting it again can't help."""
        self._name = name
        self._limits = limits
        self._on_greeting = on_greeting
        self._on_message = on_message
        self._parser = FrameParser()
        self._transport: asyncio.Transport | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._log_task: asyncio.Task[None] | None = None
        self._spawned_at = self._checked_at = self._heard_at = time.monotonic()

    @property
    def pid(self) -> int | None:
        """Process id; None before it was spawned."""
        return self._process.pid if self._process else None

    async def spawn(self, target: str, hello: Hello) -> None:
        """Start the process and greet it; `OSError` when the system refuses."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        try:
            with theirs:
                self._process = await asyncio.create_subprocess_exec(
                    *(
                        sys.executable,
                        "-P",
                        "-m",
                        "edge_assistant.workers.child",
                        target,
                        str(theirs.fileno()),
                    ),
                    pass_fds=(theirs.fileno(),),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.PIPE,
                    env=_environment(os.environ),
                    start_new_session=True,  # Ctrl-C in the terminal is the daemon's business
                )
        except BaseException:
            ours.close()
            raise
        self._log_task = asyncio.create_task(self._log_stderr(), name=f"worker {self._name} stderr")
        await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=ours)
        self._send(FrameKind.HELLO, msgspec.msgpack.encode(hello))

    def send(self, payload: bytes) -> None:
        """Send a message; `WorkerError` WORKER_GONE or, when the child does not read, WORKER_BUSY."""
        if self.ended.done() or self._transport is None:
            raise WorkerError("WORKER_GONE", f"the {self._name} worker is not running", retry_after=1.0)
        if self._transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            raise WorkerError("WORKER_BUSY", f"the {self._name} worker does not keep up", retry_after=5.0)
        self._send(FrameKind.MESSAGE, payload)

    def ask_to_stop(self) -> None:
        """Ask the child to clean up and leave."""
        if self._transport is not None and not self._transport.is_closing():
            self._send(FrameKind.STOP)

    def check(self, now: float) -> None:
        """Judge the child at `now` (`time.monotonic`), about once a second; may resolve `ended`."""
        late = now - self._checked_at > _LATE_CHECK_SECONDS
        self._checked_at = now
        if late:
            self._heard_at = now
        verdict = self._verdict(now)
        if verdict:
            self._end(verdict)

    async def reap(self) -> None:
        """End process and connection; returns when both are gone."""
        if self._transport is not None:
            self._transport.abort()
        if self._process is not None:
            self._kill_session()
            await self._process.wait()
        if self._log_task is not None:
            # The pipe is at its end now, unless a grandchild escaped with it.
            await asyncio.wait([self._log_task], timeout=_EXIT_SECONDS)
            self._log_task.cancel()
            await asyncio.wait([self._log_task])

    async def exit_reason(self) -> str:
        """Wait until the process exited, or a little; return how, in words."""
        assert self._process is not None
        try:
            async with asyncio.timeout(_EXIT_SECONDS):
                status = await self._process.wait()
        except TimeoutError:
            return "it closed its connection"
        if status >= 0:
            return f"it exited with {status}"
        # Not by us: there would be a verdict.
        hint = ", as the kernel does when memory runs out" if -status == signal.SIGKILL else ""
        return f"it was killed by {signal.Signals(-status).name}{hint}"

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Hand out what arrived; anything malformed ends this life."""
        try:
            for frame in self._parser.feed(data):
                if self.ended.done():
                    return
                self._receive(frame)
        except (FrameError, msgspec.MsgspecError) as error:
            self._end(f"it sent what can't be read: {error}")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Everything the child said was handed out before; it is dead or dying."""
        self._end("")

    # --- inside

    def _receive(self, frame: Frame) -> None:
        match frame.kind:
            case FrameKind.MESSAGE:
                self._on_message(frame.payload)
            case FrameKind.HEARTBEAT:
                self.heartbeat = msgspec.msgpack.decode(frame.payload, type=Heartbeat)
                self._heard_at = time.monotonic()
            case FrameKind.HELLO:
                self._greet(msgspec.msgpack.decode(frame.payload, type=Greeting))
            case FrameKind.STOP:
                self._end("it sent a frame that only the daemon sends")

    def _greet(self, greeting: Greeting) -> None:
        self.greeted_at = self._heard_at = time.monotonic()
        if greeting.protocol != PROTOCOL_VERSION:
            self.of_other_version = True
            self._end("the program was updated; restart the daemon")
        self._on_greeting(greeting)

    def _verdict(self, now: float) -> str:
        limits, rss_mb = self._limits, self.heartbeat.rss_bytes >> 20
        if limits.memory_limit_mb and rss_mb > limits.memory_limit_mb:
            return f"it used {rss_mb} MB of memory; its limit is {limits.memory_limit_mb} MB"
        if self.heartbeat.busy_seconds > limits.step_timeout_seconds:
            return f"one step took more than {limits.step_timeout_seconds:g} s"
        if self.greeted_at is None:
            late = now - self._spawned_at > limits.start_timeout_seconds
            return f"it was not set up within {limits.start_timeout_seconds:g} s" if late else ""
        if now - self._heard_at > limits.heartbeat_timeout_seconds:
            return f"it gave no sign of life for {limits.heartbeat_timeout_seconds:g} s"
        return ""

    def _end(self, reason: str) -> None:
        if not self.ended.done():
            self.ended.set_result(reason)

    def _send(self, kind: FrameKind, payload: bytes = b"") -> None:
        assert self._transport is not None
        self._transport.write(encode_frame(kind, payload))

    def _kill_session(self) -> None:
        """SIGKILL the child and whatever it started; it leads a session of its own."""
        assert self._process is not None
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def _log_stderr(self) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        rest = b""
        while data := await self._process.stderr.read(1 << 16):
            *lines, rest = (rest + data).split(b"\n")
            rest = rest[:_LOG_LINE_BYTES]
            for line in lines:
                self._log(line)
        self._log(rest)

    def _log(self, line: bytes) -> None:
        text = line[:_LOG_LINE_BYTES].decode("utf-8", "replace").strip()
        if text:
            level = logging.INFO if text.startswith(("INFO ", "DEBUG ")) else logging.WARNING
            logger.log(level, "%s: %s", self._name, text)


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the daemon's environment without its secrets: a child gets what it needs by hello."""
    return {key: value for key, value in environ.items() if not key.startswith(_SECRET_PREFIXES)}
