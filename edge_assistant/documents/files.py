"""The daemon's side of the `files` worker: hand it a path, get the document's chunks."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from edge_assistant.documents.block import About, Chunk, Sound
from edge_assistant.documents.wire import (
    Chunks,
    Drop,
    Ended,
    FilesSettings,
    More,
    Open,
    Prepared,
    Reading,
    Refused,
    Reply,
    Said,
    Whole,
)
from edge_assistant.errors import DocumentError, WorkerError
from edge_assistant.workers.supervisor import Worker, WorkerSpec, WorkerState

logger = logging.getLogger(__name__)

FILES_TARGET = "edge_assistant.documents.worker:serve"
IDLE_SECONDS = 30.0
NICE = 10


class OpenDocument:
    """A document that is being read: `about` first, then its chunks in batches."""

    def __init__(self, files: FileReaders, identity: int, message: Open) -> None:
        self.about = About(kind="text")
        self._files = files
        self._identity = identity
        self._message = message
        self._inbox: asyncio.Queue[Reading | DocumentError | None] = asyncio.Queue()
        """Bounded by the credit that the worker has; None is the end."""
        self.whole = False

    async def batches(self) -> AsyncIterator[list[Chunk]]:
        """Yield chunks in order. Raises `DocumentError`, also when the reader dies before the end."""
        async for item in self._readings():
            if not isinstance(item, Chunks):
                raise _crashed()
            yield item.items

    async def sounds(self) -> AsyncIterator[Sound]:
        """Yield the pieces of a recording in order; raises as `batches` does."""
        async for item in self._readings():
            if not isinstance(item, Sound):
                raise _crashed()
            yield item

    async def _readings(self) -> AsyncIterator[Chunks | Sound]:
        while True:
            item = await self._inbox.get()
            match item:
                case Chunks() | Sound():
                    yield item
                    self._files.send(More(self._identity))
                case Refused(code, message):
                    raise DocumentError(code, message)
                case DocumentError():
                    raise item
                case About():
                    self.about = item
                    self._files.send(More(self._identity))
                case Whole():
                    self.whole = True
                    self._files.send(More(self._identity))
                case None if self.whole:
                    return
                case None:
                    raise _crashed()

    async def read_about(self) -> None:
        """Wait for `about`; raises `DocumentError`."""
        item = await self._inbox.get()
        if isinstance(item, About):
            self.about = item
            self._files.send(More(self._identity))
            return
        if isinstance(item, DocumentError):
            raise item
        if isinstance(item, Refused):
            raise DocumentError(item.code, item.message)
        raise _crashed()

    def receive(self, item: Reading | DocumentError | None) -> None:
        """Take what the worker said of this document."""
        self._inbox.put_nowait(item)

    @property
    def opening(self) -> Open:
        """What to ask the worker."""
        return self._message


class FileReaders:
    """Opens documents in a process of their own; that process lives while there are documents to read."""

    def __init__(self, settings: FilesSettings | None = None, *, idle_seconds: float = IDLE_SECONDS) -> None:
        self._settings = settings or FilesSettings()
        self._idle_seconds = idle_seconds
        spec = WorkerSpec(name="files", target=FILES_TARGET, settings=self._settings, nice=NICE)
        self._worker: Worker[Reply] = Worker(spec, Reply, self._receive, self._change)
        self._decoder: msgspec.msgpack.Decoder[Reading] = msgspec.msgpack.Decoder(Reading)
        self._documents: dict[int, OpenDocument] = {}
        self._ids = itertools.count(1)
        self._running = self._prepared = False
        self._lifecycle = asyncio.Lock()
        self._idle: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None

    @property
    def worker_state(self) -> WorkerState:
        """The process behind it."""
        return self._worker.state

    @asynccontextmanager
    async def open(self, path: Path, name: str = "", url: str = "") -> AsyncIterator[OpenDocument]:
        """Have the file at `path` read; leaving the block early ends its reader.

        `about` is there on entering. Raises `DocumentError` with the codes of docs/errors.md.
        """
        identity = next(self._ids)
        message = Open(id=identity, path=str(path), name=name or path.name, url=url)
        document = OpenDocument(self, identity, message)
        self._documents[identity] = document
        try:
            await self._wake()
            if self._prepared:
                self.send(message)
            await document.read_about()
            yield document
        finally:
            del self._documents[identity]
            self.send(Drop(identity))
            self._rest()

    async def stop(self) -> None:
        """End the worker and with it every reader. Idempotent."""
        if self._idle is not None:
            self._idle.cancel()
        if self._ending is not None:
            await asyncio.wait([self._ending])
        async with self._lifecycle:
            await self._end()

    def send(self, command: Open | More | Drop) -> None:
        """Tell the worker; one that is gone has told everybody itself."""
        try:
            self._worker.send(command)
        except WorkerError:
            logger.debug("the files worker is gone")

    # --- the life of the worker

    async def _wake(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        async with self._lifecycle:
            if self._running and self._worker.state.phase == "failed":
                await self._end()  # the program was changed under us, or another cause that passes
            if not self._running:
                self._running = True
                await self._worker.start()

    def _rest(self) -> None:
        if not self._documents and self._running:
            loop = asyncio.get_running_loop()
            if self._idle is not None:
                self._idle.cancel()
            self._idle = loop.call_later(self._idle_seconds, self._end_soon)

    def _end_soon(self) -> None:
        self._ending = asyncio.get_running_loop().create_task(self._end_idle(), name="end idle files worker")

    async def _end_idle(self) -> None:
        async with self._lifecycle:
            if not self._documents:
                await self._end()

    async def _end(self) -> None:
        if self._running:
            self._running = self._prepared = False
            await self._worker.stop()

    # --- from the worker

    def _receive(self, reply: Reply) -> None:
        match reply:
            case Prepared():
                self._prepared = True
                for document in self._documents.values():
                    self.send(document.opening)
            case Said(identity, payload) if identity in self._documents:
                self._documents[identity].receive(self._decode(payload))
            case Ended(id=identity) if identity in self._documents:
                error = DocumentError(reply.code, reply.message) if reply.code else None
                self._documents[identity].receive(error)
            case _:
                pass  # nobody wants it any more

    def _decode(self, payload: bytes) -> Reading | DocumentError:
        try:
            return self._decoder.decode(payload)
        except msgspec.MsgspecError:
            return _crashed()

    def _change(self, state: WorkerState) -> None:
        if state.phase in {"restarting", "failed", "stopped"}:
            self._prepared = False
            for document in self._documents.values():
                document.receive(_crashed())


def _crashed() -> DocumentError:
    return DocumentError("DOCUMENT_CRASHED", "its reader broke down over it: the file may be damaged")
