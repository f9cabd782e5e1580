"""Reads what waits in the line, one document after another, into the search index.

A short document is exchanged in one transaction: a reader of the index sees the old text or the new.
A long one is put in batch by batch; when the power goes in the middle, it is read again from its
beginning. Whatever is wrong with a document becomes its status, and the next one is read.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import apsw

from edge_assistant.documents import rows
from edge_assistant.documents.block import Chunk
from edge_assistant.documents.chunking import chunks_of
from edge_assistant.documents.document import SOURCE, Document
from edge_assistant.documents.files import FileReaders, OpenDocument
from edge_assistant.documents.finding import below
from edge_assistant.documents.library import Library
from edge_assistant.documents.listening import Listener, blocks_of
from edge_assistant.errors import DocumentError, EdgeError, StoreError
from edge_assistant.memory import index_types
from edge_assistant.memory.conversation_rows import clean_title
from edge_assistant.memory.search import SearchIndex
from edge_assistant.store.database import Database
from edge_assistant.workers.background import Background

logger = logging.getLogger(__name__)

AT_ONCE = 512
"""Chunks that are exchanged in one transaction; a longer document comes in batches."""

MOST_CHUNKS = 50_000
"""About 40 MB of text: 20,000 pages. What is longer is refused, not cut."""

LEAD_CHARACTERS = 160
RETRY_SECONDS = 30.0


class Fetcher(Protocol):
    """Gets web pages."""

    async def fetch(self, url: str) -> bytes:
        """Return what is at `url`; raises `DocumentError`."""
        ...


class Ingest:
    """Reads the line from `start` to `stop`."""

    def __init__(
        self,
        library: Library,
        database: Database,
        index: SearchIndex,
        files: FileReaders,
        fetcher: Fetcher | None,
        *,
        listener: Listener | None = None,
        background: Background | None = None,
    ) -> None:
        self._library = library
        self._database = database
        self._index = index
        self._files = files
        self._fetcher = fetcher
        self._listener = listener
        self._background = background or Background()
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._reading: tuple[str, asyncio.Task[None]] | None = None
        """The document that is read now, and the task that does it."""
        library.when_waiting(self._wanted.set)
        library.when_removed(self._let_go)

    async def start(self) -> None:
        """Begin with what an earlier run left; returns at once."""
        left = await self._database.write(rows.recover)
        if left:
            logger.info("%d documents are read again from their beginning", left)
        self._wanted.set()
        self._task = asyncio.create_task(self._run(), name="ingest")

    async def stop(self) -> None:
        """End; what is being read is read again at the next start. Idempotent."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None
        await self._files.stop()

    async def _run(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            await self._background.turn()
            try:
                while document := await self._database.write(rows.next_waiting):
                    await self._read_unless_removed(document)
                    await self._background.turn()
            except StoreError as error:  # a full disk: nothing is lost, and it may pass
                logger.warning("reading documents pauses: %s", error.code)
                await asyncio.sleep(RETRY_SECONDS)
                with contextlib.suppress(StoreError):
                    await self._database.write(rows.recover)
                self._wanted.set()

    async def _read_unless_removed(self, document: Document) -> None:
        task = asyncio.create_task(self._read(document), name=f"document-{document.id}")
        self._reading = document.id, task
        try:
            await asyncio.wait([task])
            if not task.cancelled():
                task.result()
        finally:
            self._reading = None
            if not task.done():
                task.cancel()
                await asyncio.wait([task])

    def _let_go(self, document_id: str) -> None:
        if self._reading is not None and self._reading[0] == document_id:
            self._reading[1].cancel()

    async def _read(self, document: Document) -> None:
        began = time.monotonic()
        try:
            values = await self._bring_in(document)
        except StoreError:
            raise
        except EdgeError as error:
            values = {"state": "failed", "code": error.code, "message": error.message, "chunks": 0}
            await self._index.remove(SOURCE, document.id, document.principal)
        except Exception as error:  # noqa: BLE001 - one bad document must not stop the line
            logger.error("document %s: %s", document.id, type(error).__name__)  # noqa: TRY400 - may quote it
            values = {
                "state": "failed",
                "code": "INTERNAL",
                "message": "reading it failed unexpectedly",
                "chunks": 0,
            }
            await self._index.remove(SOURCE, document.id, document.principal)

        def work(db: apsw.Connection) -> None:
            rows.drop_bytes(db, document.id)
            rows.change(db, document.id, {**values, "changed_at": time.time()})

        await self._database.write(work)
        seconds = time.monotonic() - began
        logger.info(
            "document %s: %s, %s chunks, %.1f s",
            document.id,
            values["code"] or "ready",
            values["chunks"],
            seconds,
        )

    async def _bring_in(self, document: Document) -> rows.Values:
        async with self._opened(document) as opened:
            about = opened.about
            item = index_types.Item(
                source=SOURCE,
                ref=document.id,
                principal=document.principal,
                type=about.kind,
                title=clean_title(about.title) or document.name,
                metadata={"url": document.url} if document.url else {},
                created_at=about.timestamp or document.written_at or document.added_at,
            )
            number = await self._index_all(opened, item, document)
        return {
            "state": "ready",
            "code": "",
            "message": "",
            "title": clean_title(about.title),
            "kind": about.kind,
            "pages": about.pages,
            "chunks": number,
            "written_at": item.created_at,
        }

    async def _index_all(self, opened: OpenDocument, item: index_types.Item, document: Document) -> int:
        """Put every chunk into the index and return how many there are."""
        held: list[index_types.Chunk] = []
        number, streaming = 0, False
        async for batch in self._batches(opened):
            chunks = [_indexed(chunk, item.title) for chunk in batch]
            number += len(chunks)
            if number > MOST_CHUNKS:
                raise DocumentError("DOCUMENT_TOO_LARGE", "there is too much text in it: split it")
            held += chunks
            if number <= AT_ONCE:
                continue
            if not streaming:
                streaming = True
                await self._index.remove(SOURCE, item.ref, item.principal)
            await self._add(item, held, document)
            held = []
        if not streaming:
            await self._index.replace(item, held, later=True)
        return number

    async def _batches(self, opened: OpenDocument) -> AsyncIterator[list[Chunk]]:
        if opened.about.kind != "audio":
            async for batch in opened.batches():
                yield batch
            return
        if self._listener is None:
            raise DocumentError("DOCUMENT_NO_EARS", "recordings can't be understood here")
        async with self._listener.open() as understand:

            async def in_turn(pcm: bytes) -> str:
                await self._background.turn()
                return await understand(pcm)

            blocks = await blocks_of(opened.sounds(), in_turn)
        yield list(chunks_of(blocks))

    async def _add(self, item: index_types.Item, chunks: list[index_types.Chunk], document: Document) -> None:
        for start in range(0, len(chunks), 64):
            await self._index.add(item, chunks[start : start + 64], later=True)
        await self._database.write(lambda db: rows.change(db, document.id, {"kind": item.type}))

    @asynccontextmanager
    async def _opened(self, document: Document) -> AsyncIterator[OpenDocument]:
        """Have the document opened, wherever its bytes are. Raises `DocumentError`."""
        if document.origin.startswith("file:"):
            path = Path(document.origin.removeprefix("file:"))
            async with self._files.open(path, path.name) as opened:
                yield opened
            return
        descriptor = os.memfd_create("document", os.MFD_CLOEXEC)
        try:
            await self._fill(descriptor, document)
            # The worker opens it by this name; the bytes are in memory only and have no other.
            path = Path(f"/proc/{os.getpid()}/fd/{descriptor}")
            async with self._files.open(path, _name_of(document), document.url) as opened:
                yield opened
        finally:
            os.close(descriptor)

    async def _fill(self, descriptor: int, document: Document) -> None:
        if document.url:
            if self._fetcher is None:
                raise DocumentError("DOCUMENT_WEB_OFF", "pages are not fetched here: documents.web is off")
            _write(descriptor, await self._fetcher.fetch(document.url))
            return
        after = 0
        while piece := await self._database.read(lambda db, n=after: rows.bytes_from(db, document.id, n)):  # type: ignore[misc]
            after, data = piece
            _write(descriptor, data)


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _name_of(document: Document) -> str:
    return document.url.split("?", 1)[0].rpartition("/")[2] if document.url else document.name


def _indexed(chunk: Chunk, title: str) -> index_types.Chunk:
    """Return a chunk with title and headings before its text: alone it seldom says what it is about."""
    parts = (title, below(title, chunk.heading))
    lead = " › ".join(part for part in parts if part)[:LEAD_CHARACTERS]
    details: dict[str, index_types.Detail] = {"lead": len(lead) + 1}
    if chunk.page:
        details |= {"page": chunk.page, "last_page": chunk.last_page}
    if chunk.heading:
        details["heading"] = chunk.heading[:300]
    if chunk.url:
        details["url"] = chunk.url
    if chunk.second is not None:
        details["second"] = chunk.second
    if chunk.timestamp:
        details["timestamp"] = chunk.timestamp
    return index_types.Chunk(f"{lead}\n{chunk.text}", details)
