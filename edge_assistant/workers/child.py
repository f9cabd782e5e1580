"""The child's side: set up this process, then hand a `Channel` to the target.

Run by the supervisor as `python -m edge_assistant.workers.child TARGET FD`; TARGET is
`package.module:function`, FD an inherited socket to the daemon.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import logging
import os
import resource
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from edge_assistant.workers.frames import (
    PROTOCOL_VERSION,
    Frame,
    FrameKind,
    FrameParser,
    Greeting,
    Heartbeat,
    Hello,
    encode_frame,
)
from edge_assistant.workers.parent import die_with_parent

logger = logging.getLogger(__name__)

_READ_BYTES = 1 << 18
_BAD_PROTOCOL_EXIT = 3


class ChannelClosed(Exception):  # noqa: N818 - it is an end, not an error
    """The daemon is gone or asked this worker to stop: clean up and return."""


class Channel:
    """The target's way to the daemon. `receive` belongs to one thread, `send` to any.

    Raises `ChannelClosed` from then on, once the daemon went, sent a stop frame, or SIGTERM came;
    `send` still works after a stop so that last words can be said.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._parser = FrameParser()
        self._encoder = msgspec.msgpack.Encoder()
        self._sending = threading.Lock()
        self._closing = False
        """Stop was asked for or the daemon went; what arrived before is still handed out."""
        self._stop_asked, self.stop_descriptor = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        """Readable from SIGTERM on: a signal alone does not end a poll (PEP 475). A handler in Python would
        come too late for one just before the poll: C writes there (`signal.set_wakeup_fd`)."""
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN)
        self._poll.register(self._stop_asked, select.POLLIN)
        self._steps = 0
        self._step_began = 0.0
        """`time.monotonic` when the present step began; 0 between steps."""

    def receive(self, timeout: float | None) -> list[bytes]:
        """Return payloads that arrived, in order; [] when none came within `timeout` seconds.

        0 polls (a few microseconds, fit for a decode loop), None waits for ever.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._closing:
            wait = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
            ready = self._poll.poll(wait)
            if not ready:
                return []
            payloads = [frame.payload for frame in self._read() if self._keep(frame)]
            if payloads:
                return payloads
        raise ChannelClosed

    def send(self, *messages: msgspec.Struct) -> None:
        """Send messages at once; blocks while the daemon is slow. `ChannelClosed` when it is gone."""
        self._write(b"".join(encode_frame(FrameKind.MESSAGE, self._encoder.encode(m)) for m in messages))

    def begin_step(self) -> None:
        """Mark that this thread enters native code, which the daemon expects to end in time."""
        self._step_began = time.monotonic()

    def end_step(self) -> None:
        """Mark that the step is done."""
        self._step_began = 0.0
        self._steps += 1

    def send_frame(self, kind: FrameKind, message: msgspec.Struct) -> None:
        """Send one frame of any kind."""
        self._write(encode_frame(kind, self._encoder.encode(message)))

    def heartbeat(self) -> Heartbeat:
        """Say how this process is doing."""
        began = self._step_began
        busy = time.monotonic() - began if began else 0.0
        return Heartbeat(steps=self._steps, busy_seconds=busy, rss_bytes=_rss_bytes())

    def wait_for_hello(self) -> Hello:
        """Block until the daemon said hello."""
        while True:
            data = self._connection.recv(_READ_BYTES)
            if not data:
                raise ChannelClosed
            for frame in self._parser.feed(data):
                # The daemon sends nothing else before the greeting came back.
                return msgspec.msgpack.decode(frame.payload, type=Hello)

    def _write(self, data: bytes) -> None:
        try:
            with self._sending:
                self._connection.sendall(data)
        except OSError as error:
            raise ChannelClosed from error

    def _read(self) -> list[Frame]:
        with contextlib.suppress(BlockingIOError):
            self._closing = bool(os.read(self._stop_asked, _READ_BYTES))
        try:
            data = self._connection.recv(_READ_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        self._closing = self._closing or not data
        return list(self._parser.feed(data))

    def _keep(self, frame: Frame) -> bool:
        if frame.kind is FrameKind.STOP:
            self._closing = True
        return frame.kind is FrameKind.MESSAGE


Target = Callable[[Channel, bytes], None]


def main() -> int:
    """Run the target named on the command line; return the exit status."""
    target_name, descriptor = sys.argv[1], int(sys.argv[2])
    _guard_process()
    channel = Channel(socket.socket(fileno=descriptor))
    signal.set_wakeup_fd(channel.stop_descriptor, warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, lambda _number, _frame: None)
    try:
        hello = channel.wait_for_hello()
        if hello.parent_pid != os.getppid():
            return 0  # the daemon ended before this process could ask to end with it
        if hello.protocol != PROTOCOL_VERSION:
            channel.send_frame(FrameKind.HELLO, Greeting(protocol=PROTOCOL_VERSION))
            return _BAD_PROTOCOL_EXIT
        _take_place(hello)
        _start_heartbeat(channel, hello.heartbeat_seconds)
        target = _load(target_name)
        channel.send_frame(FrameKind.HELLO, Greeting(protocol=PROTOCOL_VERSION))
        target(channel, hello.settings)
    except ChannelClosed:
        pass
    return 0


def _guard_process() -> None:
    """Die with the daemon, leave no core file with people's words in it, log to stderr."""
    die_with_parent()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.enable()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")


def _take_place(hello: Hello) -> None:
    """Set priority, CPUs and OOM score; what the system forbids is left as it is."""
    if hello.nice:
        with contextlib.suppress(OSError):
            os.nice(hello.nice)
    if hello.cores:
        allowed = sorted(os.sched_getaffinity(0))
        # The last ones: CPU 0 serves the interrupts of most boards, and the daemon.
        os.sched_setaffinity(0, allowed[-hello.cores :])
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(hello.oom_score_adj), encoding="ascii")


def _start_heartbeat(channel: Channel, seconds: float) -> None:
    def beat() -> None:
        with contextlib.suppress(ChannelClosed):
            while True:
                channel.send_frame(FrameKind.HEARTBEAT, channel.heartbeat())
                time.sleep(seconds)

    threading.Thread(target=beat, name="heartbeat", daemon=True).start()


def _load(name: str) -> Target:
    module, _, function = name.partition(":")
    target: Target = getattr(importlib.import_module(module), function)
    return target


def _rss_bytes() -> int:
    with Path("/proc/self/statm").open("rb") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


if __name__ == "__main__":
    # Run by its real name, so that the `ChannelClosed` that targets import is the one raised here.
    from edge_assistant.workers import child  # noqa: PLW0406

    sys.exit(child.main())
