"""One search over everything that is remembered: by meaning and by words, joined by rank.

Bits find candidates, whole vectors order them, FTS5 finds words, and reciprocal rank fusion
(Cormack, Clarke, Büttcher 2009: 1 / (60 + rank)) joins both; weights of sources and of age follow.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import apsw
import msgspec

from edge_assistant.errors import EdgeError
from edge_assistant.memory import index_rows as rows
from edge_assistant.memory import vectors
from edge_assistant.memory.conversation_rows import storable
from edge_assistant.memory.embedding import Embedder, likeness
from edge_assistant.memory.index_types import Chunk, Filters, Hit, Item
from edge_assistant.memory.words import best_by_words, telling_words
from edge_assistant.store.database import Database

logger = logging.getLogger(__name__)

RRF_CONSTANT = 60
LISTED_BY_WORDS = 60
LISTED_BY_MEANING = 60

QUESTION_CHARACTERS = 2_000
"""More of a question is not searched for."""

EMBEDDED_AT_ONCE = 8
"""An item of so few chunks gets its vectors before `add` returns; longer ones in the background."""


Embedding = tuple[int, bytes]
"""A chunk and its vector."""


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """What counts besides rank."""

    sources: dict[str, float] = {}
    """Factor of each source; 1 when it is not named."""
    recency: float = 0.15
    """How much more something new counts than something old."""
    half_life_days: float = 90.0


class Question(NamedTuple):
    """What is searched for; `vector` is of the embedder called `embedder`, None when there is none."""

    text: str
    embedder: str
    vector: bytes | None
    filters: Filters
    k: int


class SearchIndex:
    """Items with their chunks, words and vectors in the store.

    `add` and `replace` make chunks findable by words at once; vectors come from the embedder, of
    short items before they return, of long ones by the `Indexer` in the background.
    """

    def __init__(self, database: Database, embedder: Embedder, weights: Weights | None = None) -> None:
        self._database = database
        self.embedder = embedder
        self._weights = weights or Weights()
        self._on_pending: list[Callable[[], None]] = []

    async def add(self, item: Item, chunks: Sequence[Chunk], *, later: bool = False) -> int:
        """Append chunks to an item, made when there is none, and return its number.

        With `later` even a few chunks get their vectors in the background.
        """
        number, added = await self._database.write(lambda db: rows.append(db, item, chunks))
        await self.embed_added(added, later=later)
        return number

    async def replace(self, item: Item, chunks: Sequence[Chunk], *, later: bool = False) -> int:
        """Let an item have exactly these chunks, in this order, and return its number.

        Chunks whose text did not change keep their vectors.
        """
        number, added = await self._database.write(lambda db: rows.replace(db, item, chunks))
        await self.embed_added(added, later=later)
        return number

    async def remove(self, source: str, ref: str, principal: str = "") -> bool:
        """Delete an item with its chunks, words and vectors; False when there was none."""
        return await self._database.write(lambda db: rows.remove(db, source, principal, ref))

    async def pending(self, source: str = "", ref: str = "", principal: str = "") -> int:
        """Return how many chunks have no vector of the present embedder yet; of one item or of all."""
        name = self.embedder.name
        return await self._database.read(lambda db: rows.pending_of(db, name, source, principal, ref))

    async def search(self, query: str, filters: Filters, k: int = 10) -> list[Hit]:
        """Return the `k` best chunks that `filters` let through, the best first.

        Without an embedder, or while it fails, words alone decide. Raises `StoreError`.
        """
        question = storable(query[:QUESTION_CHARACTERS])
        vector = await self._vector(question)
        return await self.search_vector(question, vector, filters, k)

    async def search_vector(self, query: str, vector: bytes | None, filters: Filters, k: int) -> list[Hit]:
        """Search as `search` does for a question whose vector is known; None searches by words only."""
        name = self.embedder.name
        question = Question(query, name, vector, filters, k)
        return await self._database.scan(lambda db: self._search(db, question))

    def when_pending(self, wake: Callable[[], None]) -> None:
        """Have `wake()` called whenever chunks were added that wait for vectors."""
        self._on_pending.append(wake)

    async def embed_added(self, added: list[tuple[int, str]], *, later: bool = False) -> None:
        """Give a few new chunks their vectors now; whatever is not done is left to the indexer."""
        if 0 < len(added) <= EMBEDDED_AT_ONCE and not later:
            try:
                await self.store_vectors(await self.embed_chunks(added, background=False))
            except EdgeError as error:
                logger.warning("%d chunks wait for the embedder: %s", len(added), error.code)
            else:
                return
        if added:
            for wake in self._on_pending:
                wake()

    async def embed_chunks(self, chunks: Sequence[tuple[int, str]], *, background: bool) -> list[Embedding]:
        """Return the vectors of (chunk, text) pairs, to be stored."""
        embedded = await self.embedder.embed([text for _, text in chunks], background=background)
        return list(zip((chunk for chunk, _ in chunks), embedded.vectors, strict=True))

    async def store_vectors(self, embeddings: Sequence[Embedding]) -> int:
        """Store vectors of chunks that are still there and wait for one; return how many."""
        name, dimensions = self.embedder.name, self.embedder.dimensions

        def work(db: apsw.Connection) -> int:
            return vectors.store_vectors(db, vectors.ensure_table(db, name, dimensions), embeddings)

        return await self._database.write(work)

    # --- inside

    async def _vector(self, question: str) -> bytes | None:
        if not question.strip():
            return None
        try:
            return await self.embedder.embed_query(question)
        except EdgeError as error:
            logger.warning("searching by words only: %s", error.code)
            return None

    def _search(self, db: apsw.Connection, question: Question) -> list[Hit]:
        query, name, vector, filters, k = question
        spaces = rows.visible_spaces(db, filters)
        if not spaces or k < 1:
            return []
        chosen = rows.chosen_chunks(filters)
        table = vectors.table_named(db, name) if vector else None
        by_words = best_by_words(db, telling_words(db, query), spaces, k=LISTED_BY_WORDS, chosen=chosen)
        similarity: dict[int, float] = {}
        by_meaning: list[int] = []
        if table is not None and vector is not None:
            found = _nearest(db, table, vector, spaces, chosen)
            cosines = vectors.similarities(db, table, vector, [*found, *by_words])
            unrelated = self.embedder.unrelated
            similarity = {chunk: likeness(cosine, unrelated) for chunk, cosine in cosines.items()}
            by_meaning = _ordered(found, similarity)[: max(LISTED_BY_MEANING, k)]
        # What has no vector yet stands in no list by meaning: its words count twice, or whatever lies nearest
        # by chance would come before it.
        by_words_only = [chunk if chunk not in similarity else None for chunk in by_words]
        fused = fuse(by_meaning, by_words, by_words_only)
        hits = rows.load_hits(db, fused, similarity)
        return sorted((self._weigh(hit) for hit in hits), key=lambda hit: -hit.score)[:k]

    async def nearest(self, vector: bytes, filters: Filters, k: int) -> list[int]:
        """Return the numbers of the `k` chunks nearest to a vector, by meaning alone."""
        name = self.embedder.name

        def work(db: apsw.Connection) -> list[int]:
            table, spaces = vectors.table_named(db, name), rows.visible_spaces(db, filters)
            if table is None or not spaces:
                return []
            found = _nearest(db, table, vector, spaces, rows.chosen_chunks(filters))
            return _ordered(found, vectors.similarities(db, table, vector, found))[:k]

        return await self._database.scan(work)

    def _weigh(self, hit: Hit) -> Hit:
        weights = self._weights
        age_days = max(0.0, time.time() - hit.created_at) / 86_400
        newness = 1 + weights.recency * 0.5 ** (age_days / weights.half_life_days)
        score = hit.score * weights.sources.get(hit.source, 1.0) * newness
        return msgspec.structs.replace(hit, score=score)


def _nearest(
    db: apsw.Connection, table: vectors.VectorTable, vector: bytes, spaces: list[int], chosen: str | None
) -> list[int]:
    """Return what the bits propose, in no order that matters."""
    vectors.fit_cache(db, table)
    return vectors.nearest_by_bits(db, table, vector, spaces=spaces, chosen=chosen)


def _ordered(found: Sequence[int], similarity: dict[int, float]) -> list[int]:
    return sorted(found, key=lambda chunk: -similarity.get(chunk, -1.0))


def fuse(*lists: Sequence[int | None]) -> dict[int, float]:
    """Return the reciprocal-rank score of everything in the lists, the best first; None keeps a place."""
    scores: dict[int, float] = {}
    for ranked in lists:
        for rank, chunk in enumerate(ranked, start=1):
            if chunk is not None:
                scores[chunk] = scores.get(chunk, 0.0) + 1 / (RRF_CONSTANT + rank)
    return scores
