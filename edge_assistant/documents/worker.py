"""The `files` worker: for each document a process of its own, closed in before it looks at a byte.

This process opens the file and forks; what parses is the fork, which has nothing but the open file and
a pipe (`sandbox.py`). Forking takes milliseconds because everything a reader needs is imported, and was
used once on harmless samples, before. What the fork says is passed on unread.
"""

from __future__ import annotations

import contextlib
import gc
import io
import logging
import os
import select
import signal
import stat
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, islice

import msgspec

from edge_assistant.documents import sandbox
from edge_assistant.documents.block import About, Block, Chunk, Sound
from edge_assistant.documents.chunking import chunks_of
from edge_assistant.documents.readers.kinds import read
from edge_assistant.documents.readers.warm_up import warm_up
from edge_assistant.documents.refusal import Refusal
from edge_assistant.documents.wire import (
    BATCH_CHUNKS,
    CREDIT,
    MAX_READING_BYTES,
    Chunks,
    Command,
    Drop,
    Ended,
    FilesSettings,
    More,
    Open,
    Prepared,
    Reading,
    Refused,
    Said,
    Whole,
)
from edge_assistant.workers.child import Channel, ChannelClosed

logger = logging.getLogger(__name__)

_LENGTH_BYTES = 4


@dataclass
class _Reader:
    """A fork that reads one document, as its parent sees it."""

    pid: int
    out: int
    """The reading end of its pipe."""
    credit: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(CREDIT))
    dropped: bool = False


def serve(channel: Channel, settings: bytes) -> None:
    """Open documents as the daemon asks, until it closes the channel."""
    limits = msgspec.msgpack.decode(settings, type=FilesSettings)
    warm_up()
    gc.freeze()  # so that forks share these pages for good
    channel.send(Prepared())
    readers: dict[int, _Reader] = {}
    decoder: msgspec.msgpack.Decoder[Command] = msgspec.msgpack.Decoder(Command)
    try:
        while True:
            for payload in channel.receive(None):
                _obey(decoder.decode(payload), channel, limits, readers)
    finally:
        for reader in list(readers.values()):
            _kill(reader)


def _obey(command: Command, channel: Channel, limits: FilesSettings, readers: dict[int, _Reader]) -> None:
    match command:
        case Open():
            _open(command, channel, limits, readers)
        case More(identity) if identity in readers:
            readers[identity].credit.release()
        case Drop(identity) if identity in readers:
            _kill(readers[identity])


def _open(command: Open, channel: Channel, limits: FilesSettings, readers: dict[int, _Reader]) -> None:
    try:
        document = _open_file(command.path, limits.file_bytes)
    except Refusal as refusal:
        channel.send(Ended(id=command.id, code=refusal.code, message=refusal.message))
        return
    try:
        reader = _fork(document, command, limits)
    finally:
        os.close(document)
    readers[command.id] = reader

    def follow() -> None:
        ended = _follow(command.id, reader, channel, limits.silent_seconds)
        readers.pop(command.id, None)
        with contextlib.suppress(ChannelClosed):
            channel.send(ended)

    threading.Thread(target=follow, name=f"document {command.id}", daemon=True).start()


def _open_file(path: str, most_bytes: int) -> int:
    """Open a regular file for reading; raises `Refusal`."""
    try:
        # A pipe or a device must not hold us up before we know what it is.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        raise Refusal("DOCUMENT_UNREADABLE", f"the file can't be opened: {error.strerror}") from None
    status = os.fstat(descriptor)
    problem = None
    if not stat.S_ISREG(status.st_mode):
        problem = Refusal("DOCUMENT_UNSUPPORTED", "this is no file")
    elif status.st_size > most_bytes:
        message = f"the file has {status.st_size >> 20} MB; at most {most_bytes >> 20} MB are read"
        problem = Refusal("DOCUMENT_TOO_LARGE", message)
    if problem is not None:
        os.close(descriptor)
        raise problem
    return descriptor


def _fork(document: int, command: Open, limits: FilesSettings) -> _Reader:
    out, way_out = os.pipe()
    pid = os.fork()
    if pid == 0:
        _live_closed_in(document, way_out, command, limits)
    os.close(way_out)
    return _Reader(pid, out)


# --- in the fork


def _live_closed_in(document: int, way_out: int, command: Open, limits: FilesSettings) -> None:
    """Read the document and exit; nothing of the parent's clean-up runs here."""
    code = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGXCPU, signal.SIG_DFL)
        sandbox.enter((document, way_out), memory_bytes=limits.memory_bytes, cpu_seconds=limits.cpu_seconds)
        for reading in _readings(document, command):
            _say(way_out, reading)
        code = 0
    except sandbox.SandboxError as error:
        with contextlib.suppress(OSError):
            message = f"documents are not opened here: this machine can't close their reader in ({error})"
            _say(way_out, Refused("DOCUMENT_NO_SANDBOX", message[:300]))
    except BaseException as error:  # noqa: BLE001 - the text may quote the document
        with contextlib.suppress(BaseException):
            sys.stderr.write(f"INFO files: a reader failed: {type(error).__name__}\n")
            sys.stderr.flush()
    finally:
        os._exit(code)


def _readings(document: int, command: Open) -> Iterator[Reading]:
    """Return everything that is to be said about the document."""
    try:
        with io.BufferedReader(io.FileIO(document, closefd=False), 1 << 16) as file:
            found = read(file, command.name, command.url)
            yield from _said(found)
    except Refusal as refusal:
        yield Refused(refusal.code, refusal.message[:300])
    except MemoryError:
        yield Refused("DOCUMENT_TOO_LARGE", "reading this document takes more memory than it may")
    else:
        yield Whole()


def _said(found: Iterator[About | Block | Sound]) -> Iterator[Reading]:
    first = next(found)
    assert isinstance(first, About)
    yield msgspec.structs.replace(first, title=_clean(first.title)[:500])
    if first.kind == "audio":
        yield from (each for each in found if isinstance(each, Sound))
        return
    chunks = chunks_of(block for block in found if isinstance(block, Block))
    clean: Iterator[Chunk] = (
        msgspec.structs.replace(c, text=_clean(c.text), heading=_clean(c.heading)[:2000], url=c.url[:2000])
        for c in chunks
    )
    head = next(clean, None)
    if head is None:
        raise Refusal("DOCUMENT_EMPTY", "there is no text in it")
    clean = chain((head,), clean)
    while batch := list(islice(clean, BATCH_CHUNKS)):
        yield Chunks(batch)


def _clean(text: str) -> str:
    """Return `text` without NUL and without lone surrogates, which no wire takes."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _say(way_out: int, reading: Reading) -> None:
    payload = msgspec.msgpack.encode(reading)
    data = memoryview(len(payload).to_bytes(_LENGTH_BYTES, "big") + payload)
    while data:
        data = data[os.write(way_out, data) :]


# --- in the parent, a thread for each fork


def _follow(identity: int, reader: _Reader, channel: Channel, silent_seconds: float) -> Ended:
    """Pass on what the fork says while the daemon wants more; return how it ended."""
    code, message, dropped = "", "", False
    try:
        while True:
            reader.credit.acquire()
            payload = _hear(reader.out, silent_seconds)
            dropped = reader.dropped
            if payload is None or dropped:
                break
            channel.send(Said(identity, payload))
    except TimeoutError:
        code, message = "DOCUMENT_TOO_SLOW", f"a part of it took more than {silent_seconds:g} s to read"
    except ValueError:
        code, message = "DOCUMENT_CRASHED", "its reader broke down over it: the file may be made to do harm"
    except ChannelClosed:
        dropped = True
    finally:
        _kill(reader)
        os.close(reader.out)
        status = os.waitstatus_to_exitcode(os.waitpid(reader.pid, 0)[1])
    if code or dropped:
        return Ended(id=identity, code=code, message=message)
    if status == -signal.SIGXCPU:
        return Ended(id=identity, code="DOCUMENT_TOO_SLOW", message="reading it takes more time than it may")
    if status not in (0, -signal.SIGKILL):
        return Ended(id=identity, code="DOCUMENT_CRASHED", message="its reader broke down over it")
    return Ended(id=identity)


def _hear(pipe: int, silent_seconds: float) -> bytes | None:
    """Return the next thing said, None at the end; raises `TimeoutError`, `ValueError`."""
    head = _receive(pipe, _LENGTH_BYTES, silent_seconds)
    if head is None:
        return None
    length = int.from_bytes(head, "big")
    if length > MAX_READING_BYTES:
        raise ValueError("too long")
    return _receive(pipe, length, silent_seconds)


def _receive(pipe: int, size: int, silent_seconds: float) -> bytes | None:
    data = b""
    while len(data) < size:
        if not select.select([pipe], [], [], silent_seconds)[0]:
            raise TimeoutError
        piece = os.read(pipe, size - len(data))
        if not piece:
            if data:
                raise ValueError("cut short")
            return None
        data += piece
    return data


def _kill(reader: _Reader) -> None:
    reader.dropped = True
    reader.credit.release()
    with contextlib.suppress(ProcessLookupError):
        os.kill(reader.pid, signal.SIGKILL)
