"""How fast the hybrid search is among many chunks, and how much of the exact answer it finds.

The store is the real one, encrypted, and filled in bulk: real paragraphs with real vectors, then
mixtures of near ones (`corpus.expand`). Questions are paragraphs that were kept out, cut to their
first words, with their real vectors. Exact is the cosine over all vectors.
"""

from __future__ import annotations

import asyncio
import functools
import secrets
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import numpy as np

from edge_assistant.bench.goal import Goal, Result
from edge_assistant.bench.measurement import Measurement, Setting
from edge_assistant.bench.retrieval.corpus import Corpus, expand, load_corpus
from edge_assistant.bench.statistic import median, percentile
from edge_assistant.memory import index_rows, vectors
from edge_assistant.memory.embedding import NoEmbedder
from edge_assistant.memory.index_types import Chunk, Filters, Item
from edge_assistant.memory.search import SearchIndex
from edge_assistant.ops.services import resident_bytes
from edge_assistant.store.database import Database

REAL = 20_000
QUICK_REAL = 300
KEPT_OUT = 200
QUESTION_WORDS = 12
CHUNKS_IN_ITEM = 50
ITEMS_AT_ONCE = 40
K = 10
EVERYBODYS = Filters(principal="")
EXACT_TRIES = 5


def _goals(size: str, p95_ms: int, recall: float) -> tuple[Goal, ...]:
    return (
        Goal(
            metric=f"hybrid search p95, {size} chunks", unit="ms", at_most=p95_ms,
            text=f"{size} chunks: hybrid search p95 ≤ {p95_ms} ms without the query embedding",
        ),
        Goal(
            metric=f"recall@10 of the vectors, {size} chunks", unit="share", at_least=recall,
            text=f"{size} chunks: recall@10 ≥ {recall} of exact search",
        ),
        Goal(
            metric=f"exact float KNN in vec0 over hybrid search, {size} chunks", unit="ratio",
            text="exact float KNN in vec0 in the same run for the ratio",
        ),
        Goal(metric=f"RSS of the searching process, {size} chunks", unit="MB", text="RSS stated"),
    )  # fmt: skip


SMALL = _goals("100,000", 25, 0.97)
LARGE = _goals("1,000,000", 150, 0.95)


class Found:
    """What one size of store showed."""

    def __init__(self) -> None:
        self.hybrid_ms: list[float] = []
        self.exact_ms: list[float] = []
        self.recall: list[float] = []
        self.rss_bytes = 0
        self.fill_seconds = 0.0


async def _measure(setting: Setting, corpus: Corpus, size: int, folder: Path) -> Found:
    found = Found()
    real = Corpus(corpus.texts[:-KEPT_OUT], corpus.vectors[:-KEPT_OUT])
    questions = corpus.texts[-KEPT_OUT:], corpus.vectors[-KEPT_OUT:]
    database = await Database.open(folder / "assistant.db", secrets.token_bytes(32))
    index = SearchIndex(database, NoEmbedder("bench"))
    try:
        began = time.monotonic()
        everything = await _fill(setting, database, real, size)
        found.fill_seconds = time.monotonic() - began
        before = resident_bytes()
        for text, vector in zip(*questions, strict=True):
            query = " ".join(text.split()[:QUESTION_WORDS])
            started = time.perf_counter()
            await index.search_vector(query, vector.tobytes(), EVERYBODYS, K)
            found.hybrid_ms.append(1000 * (time.perf_counter() - started))
        found.rss_bytes = max(0, resident_bytes() - before)
        for vector in questions[1]:
            found.recall.append(await _recall(index, everything, vector))
        found.exact_ms = await _exact(database, everything, questions[1][:EXACT_TRIES])
    finally:
        await database.close()
    return found


async def _fill(setting: Setting, database: Database, real: Corpus, size: int) -> Any:
    """Store chunks and their vectors and return the vectors, in the order of the chunks' numbers."""
    everything = np.empty((size, real.vectors.shape[1]), dtype=np.float32)
    batch: list[tuple[str, Any]] = []
    done = 0
    for text, vector in expand(real, size, seed=1):
        batch.append((text, vector))
        if len(batch) == CHUNKS_IN_ITEM * ITEMS_AT_ONCE or done + len(batch) == size:
            pairs, start = batch, done
            everything[start : start + len(pairs)] = [vector for _, vector in pairs]
            await database.write(functools.partial(_store, pairs=pairs, start=start))
            done, batch = done + len(batch), []
            setting.say(f"filling the store: {done:,} of {size:,}")
    await database.checkpoint()
    return everything


def _store(db: apsw.Connection, pairs: list[tuple[str, Any]], start: int) -> None:
    table = vectors.ensure_table(db, "bench", len(pairs[0][1]))
    for at in range(0, len(pairs), CHUNKS_IN_ITEM):
        part = pairs[at : at + CHUNKS_IN_ITEM]
        item = Item(source="document", ref=str(start + at), created_at=time.time())
        _, added = index_rows.replace(db, item, [Chunk(f"{text} ") for text, _ in part])
        stored = zip((chunk for chunk, _ in added), (vector.tobytes() for _, vector in part), strict=True)
        vectors.store_vectors(db, table, stored)


async def _recall(index: SearchIndex, everything: Any, vector: Any) -> float:
    """Return how many of the 10 nearest chunks the first pass and rescoring find, as a share."""
    scores = everything @ vector
    nearest = {int(place) + 1 for place in np.argpartition(-scores, K)[:K]}
    return len(nearest & set(await index.nearest(vector.tobytes(), EVERYBODYS, K))) / K


async def _exact(database: Database, everything: Any, questions: Any) -> list[float]:
    """Return how long vec0 takes to compare each question with every whole vector, in milliseconds.

    Without the first, which reads the pages.
    """

    def fill(db: apsw.Connection) -> None:
        db.execute(f"CREATE VIRTUAL TABLE exact USING vec0(v FLOAT[{everything.shape[1]}])")
        rows = ((number, row.tobytes()) for number, row in enumerate(everything, start=1))
        db.executemany("INSERT INTO exact(rowid, v) VALUES(?, ?)", rows)

    def ask(db: apsw.Connection, vector: Any) -> float:
        db.pragma("cache_size", -(everything.nbytes // 1024 * 5 // 4))
        started = time.perf_counter()
        db.execute("SELECT rowid FROM exact WHERE v MATCH ? AND k = ?", (vector.tobytes(), K)).fetchall()
        return 1000 * (time.perf_counter() - started)

    await database.write(fill)
    return [await database.scan(functools.partial(ask, vector=vector)) for vector in questions][1:]


def _results(goals: tuple[Goal, ...], found: Found, size: int, real: int) -> Iterator[Result]:
    p95, hybrid, exact = percentile(found.hybrid_ms, 95), median(found.hybrid_ms), median(found.exact_ms)
    of = f"{size:,} chunks, {real:,} of them real paragraphs with real vectors; n={len(found.recall)}"
    yield goals[0].measured(p95, f"{of}; p50 {hybrid:.3g} ms; filled in {found.fill_seconds:.0f} s")
    worst = min(found.recall)
    yield goals[1].measured(sum(found.recall) / len(found.recall), f"{of}; worst question {worst:.2g}")
    yield goals[2].measured(exact / hybrid, f"exact {exact:.3g} ms over hybrid {hybrid:.3g} ms, medians")
    megabytes = found.rss_bytes / 1e6
    yield goals[3].measured(megabytes, "growth while searching: page cache of the searching connection")


def _measuring(goals: tuple[Goal, ...], whole: int, quick: int) -> Measurement:
    def measure(setting: Setting) -> Iterator[Result]:
        size, real = setting.count(whole, quick), setting.count(REAL, QUICK_REAL)
        corpus = load_corpus(setting, real + KEPT_OUT)
        with tempfile.TemporaryDirectory(prefix="edge-assistant-bench-") as folder:
            found = asyncio.run(_measure(setting, corpus, size, Path(folder)))
        yield from _results(goals, found, size, real)

    return Measurement(goals, measure)


MEASUREMENTS = (_measuring(SMALL, 100_000, 4_000), _measuring(LARGE, 1_000_000, 8_000))
