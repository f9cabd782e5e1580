"""Gives every chunk its vector in the background, whatever left it without one.

A long document, an embedder that was missing, a crash, a change to another embedder: all of them
leave chunks that are pending, and the work goes on where it was.
"""

from __future__ import annotations

import asyncio
import functools
import logging

import apsw

from edge_assistant.errors import EdgeError
from edge_assistant.memory import vectors
from edge_assistant.memory.search import Embedding, SearchIndex
from edge_assistant.store.database import Database
from edge_assistant.workers.background import Background

logger = logging.getLogger(__name__)

CHUNKS_AT_ONCE = 8
"""Chunks in one request: what somebody who asks meanwhile shares the processor with."""

CHUNKS_STORED_AT_ONCE = 64
"""Chunks in one transaction: what a crash can cost."""

RETRY_SECONDS = 30.0
"""How long to wait after the embedder failed."""


class Indexer:
    """Embeds pending chunks until none is left, then waits for more."""

    def __init__(self, database: Database, index: SearchIndex, background: Background | None = None) -> None:
        self._database = database
        self._index = index
        self._background = background or Background()
        self._wanted = asyncio.Event()
        self._idle = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        index.when_pending(self.wake)

    def wake(self) -> None:
        """Look again for pending chunks."""
        self._idle.clear()
        self._wanted.set()

    async def start(self) -> None:
        """Begin with what an earlier run left; returns at once."""
        self.wake()
        self._task = asyncio.create_task(self._run(), name="indexer")

    async def stop(self) -> None:
        """End; what is pending stays so. Idempotent."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    async def settled(self) -> None:
        """Wait until no chunk is pending."""
        await self._idle.wait()

    async def _run(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                await self._work()
            except EdgeError as error:
                logger.warning("the indexer pauses: %s", error.code)
                await asyncio.sleep(RETRY_SECONDS)
                self._wanted.set()
                continue
            if not self._wanted.is_set():
                self._idle.set()

    async def _work(self) -> None:
        """Embed what is pending."""
        if not await self._database.read(_any_chunk):
            return
        name, dimensions = self._index.embedder.name, self._index.embedder.dimensions
        table = await self._database.write(lambda db: vectors.ensure_table(db, name, dimensions))
        while await self._embed_pending(table):
            pass
        await self._switch(table)

    async def _embed_pending(self, table: vectors.VectorTable) -> int:
        """Embed each pending chunk once and return how many; some are stored while the next are embedded."""
        done = last = 0
        storing: asyncio.Task[int] | None = None
        try:
            while chunks := await self._pending(table, last):
                embeddings = await self._embed(chunks)
                if storing is not None:
                    await storing
                storing = asyncio.create_task(self._index.store_vectors(embeddings), name="store vectors")
                done, last = done + len(chunks), chunks[-1][0]
        finally:
            if storing is not None:
                await asyncio.wait([storing])
        if storing is not None:
            storing.result()
        return done

    async def _pending(self, table: vectors.VectorTable, after: int) -> list[tuple[int, str]]:
        return await self._database.read(lambda db: vectors.pending(db, table, CHUNKS_STORED_AT_ONCE, after))

    async def _embed(self, chunks: list[tuple[int, str]]) -> list[Embedding]:
        embeddings: list[Embedding] = []
        for start in range(0, len(chunks), CHUNKS_AT_ONCE):
            await self._background.turn()
            few = chunks[start : start + CHUNKS_AT_ONCE]
            embeddings += await self._index.embed_chunks(few, background=True)
        return embeddings

    async def _switch(self, table: vectors.VectorTable) -> None:
        """Search the complete vectors from now on and drop other embedders'."""
        active = await self._database.read(vectors.active_table)
        if active == table:
            return
        others = await self._database.write(lambda db: vectors.activate(db, table))
        for other in others:
            await self._database.write(functools.partial(vectors.drop_table, table=other))
        await self._database.checkpoint()
        logger.info("the vectors of %s are complete; %d others dropped", table.name, len(others))


def _any_chunk(db: apsw.Connection) -> bool:
    return db.execute("SELECT 1 FROM index_chunks LIMIT 1").fetchone() is not None
