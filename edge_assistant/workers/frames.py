"""Frames between the daemon and its child processes.

A frame is a 4-byte big-endian length, one byte of kind, and the payload; the length counts kind
and payload. Payloads are msgpack. Nothing here does I/O.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

import msgspec

from edge_assistant.errors import WorkerError

PROTOCOL_VERSION = 1
"""Changes with anything in this file, so that an updated child never talks to an old daemon."""

MAX_FRAME_BYTES = 64 << 20
"""Longest kind and payload together: room for a picture, not for a runaway."""

_HEADER = struct.Struct(">IB")
_LENGTH_BYTES = 4


class FrameKind(IntEnum):
    """What a frame carries."""

    HELLO = 1
    """First frame in each direction: `Hello` to the child, `Greeting` back."""
    MESSAGE = 2
    """A message of whoever uses the worker."""
    HEARTBEAT = 3
    """`Heartbeat`, from the child."""
    STOP = 4
    """Finish and leave; empty, to the child."""


class Frame(NamedTuple):
    """One whole frame."""

    kind: FrameKind
    payload: bytes


class Hello(msgspec.Struct, frozen=True, kw_only=True):
    """What the child must know before its work begins."""

    protocol: int
    parent_pid: int
    settings: bytes
    """msgpack of the target's own settings struct."""
    heartbeat_seconds: float = 1.0
    nice: int = 0
    cores: int = 0
    """CPUs it may use; 0 is all that the daemon may use."""
    oom_score_adj: int = 500


class Greeting(msgspec.Struct, frozen=True, kw_only=True):
    """The child is set up and its target is imported."""

    protocol: int


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """The child lives."""

    steps: int
    """Steps done since it started."""
    busy_seconds: float
    """How long the present step takes already; 0 between steps."""
    rss_bytes: int
    """Resident memory, pages of mapped files included."""


class FrameError(WorkerError):
    """Bytes that are no frame; the connection can't be used any more."""

    def __init__(self, message: str) -> None:
        super().__init__("WORKER_BAD_FRAME", message)


def encode_frame(kind: FrameKind, payload: bytes = b"") -> bytes:
    """Return the bytes of one frame; `FrameError` when the payload is too long."""
    length = len(payload) + 1
    if length > MAX_FRAME_BYTES:
        raise FrameError(f"a message of {len(payload)} bytes is too long; the limit is {MAX_FRAME_BYTES - 1}")
    return _HEADER.pack(length, kind) + payload


class FrameParser:
    """Turns a stream of bytes into frames, however the bytes are cut."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def pending(self) -> int:
        """Bytes of a frame that is not complete yet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take bytes; iterate over the frames that are complete now.

        `FrameError` on reaching a length or kind that can't be: as soon as the header tells, not
        when the payload is there.
        """
        self._buffer += data
        return self._frames()

    def _frames(self) -> Iterator[Frame]:
        buffer = self._buffer
        while len(buffer) >= _HEADER.size:
            length, kind = _HEADER.unpack_from(buffer)
            _check(length, kind)
            end = _LENGTH_BYTES + length
            if len(buffer) < end:
                return
            payload = bytes(memoryview(buffer)[_HEADER.size : end])
            del buffer[:end]
            yield Frame(FrameKind(kind), payload)


_KINDS = frozenset(FrameKind)


def _check(length: int, kind: int) -> None:
    if not 1 <= length <= MAX_FRAME_BYTES:
        raise FrameError(f"a frame says it is {length} bytes long; 1 to {MAX_FRAME_BYTES} are allowed")
    if kind not in _KINDS:
        raise FrameError(f"a frame has the unknown kind {kind}")
