"""How fast documents come in beside what the embedder alone can do, and what chatting feels of it."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from edge_assistant.bench.device import Device, running_device
from edge_assistant.bench.goal import Goal, Result
from edge_assistant.bench.measurement import CannotMeasureError, Measurement, Setting
from edge_assistant.bench.page import Browser, Heard, browser
from edge_assistant.bench.retrieval.corpus import any_paragraphs, make_embedder
from edge_assistant.bench.statistic import median, spread
from edge_assistant.bench.texts import QUESTIONS
from edge_assistant.documents.files import FileReaders
from edge_assistant.documents.ingest import Ingest
from edge_assistant.documents.library import Library
from edge_assistant.errors import EdgeError
from edge_assistant.memory.embedder import FastembedEmbedder
from edge_assistant.memory.indexer import CHUNKS_STORED_AT_ONCE, Indexer
from edge_assistant.memory.search import SearchIndex
from edge_assistant.store.database import Database

RATE = Goal(
    metric="documents read, stored and embedded / their chunks embedded alone",
    unit="ratio",
    text="ingest ≥ 0.85 of the embedder's raw rate",
    at_least=0.85,
)
MEANWHILE = Goal(
    metric="first token of chat while documents are read / when nothing is",
    unit="ratio",
    text="first token of chat meanwhile ≤ 1.5 of idle",
    at_most=1.5,
)

PARAGRAPHS_A_DOCUMENT = 60
MOST_BYTES = 10 << 20
POLL_SECONDS = 0.02


def measure_rate(setting: Setting) -> Iterator[Result]:
    """Read the same documents into a fresh library several times, each time beside the embedder alone."""
    yield asyncio.run(_rate(setting))


async def _rate(setting: Setting) -> Result:
    embedder = make_embedder(setting)
    rounds, size = setting.count(3, 1), setting.count(20, 3)
    ratios, rates = [], []
    try:
        await embedder.embed(["warm-up"])
        for _ in range(rounds):
            with tempfile.TemporaryDirectory(prefix="edge-assistant-bench-") as name:
                paths = write_documents(Path(name), size)
                ingested, chunks = await _ingest(Path(name), paths, embedder)
            alone = await _embed(embedder, chunks)
            ratios.append(alone / ingested)
            rates.append(len(chunks) / ingested)
            setting.say(f"{len(chunks)} chunks: {ratios[-1]:.2f} of the embedder's rate")
    except EdgeError as error:
        raise CannotMeasureError(error.message) from error
    finally:
        await embedder.stop()
    return RATE.measured(
        median(ratios),
        f"{size} Markdown documents, {len(chunks)} chunks, {rounds} rounds: {spread(rates)} chunks/s, "
        f"ratios {spread(ratios)}",
    )


async def _ingest(folder: Path, paths: list[Path], embedder: FastembedEmbedder) -> tuple[float, list[str]]:
    """Return the seconds until everything is read and has its vectors, and all chunks."""
    database = await Database.open(folder / "bench.db", secrets.token_bytes(32))
    index = SearchIndex(database, embedder)
    library = Library(database, index, max_bytes=MOST_BYTES)
    files = FileReaders()
    ingest, indexer = Ingest(library, database, index, files, None), Indexer(database, index)
    try:
        await ingest.start()
        await indexer.start()
        async with files.open(paths[0]):
            pass  # the reader's process is there; a device starts it once, not for each document
        began = time.monotonic()
        await library.add_files(paths, "bench")
        await _read_all(database, index)
        seconds = time.monotonic() - began
        texts = await database.read(
            lambda db: [str(row[0]) for row in db.execute("SELECT text FROM index_chunks ORDER BY id")]
        )
    finally:
        await ingest.stop()
        await indexer.stop()
        await database.close()
    return seconds, texts


async def _read_all(database: Database, index: SearchIndex) -> None:
    """Wait until every document is read and every chunk has its vector."""
    query = "SELECT count(*) FROM documents WHERE state <> 'ready'"
    while await database.read(lambda db: list(db.execute(query))) != [(0,)] or await index.pending():  # noqa: ASYNC110 - nothing tells of both
        await asyncio.sleep(POLL_SECONDS)


async def _embed(embedder: FastembedEmbedder, texts: list[str]) -> float:
    began = time.monotonic()
    for start in range(0, len(texts), CHUNKS_STORED_AT_ONCE):
        await embedder.embed(texts[start : start + CHUNKS_STORED_AT_ONCE], background=True)
    return time.monotonic() - began


def measure_meanwhile(setting: Setting) -> Iterator[Result]:
    """Ask a running daemon, first in peace, then while it reads a pile of documents."""
    yield asyncio.run(_meanwhile(setting))


async def _meanwhile(setting: Setting) -> Result:
    """Compare with the same texts in the library: what is found makes a prompt longer."""
    rounds, size = setting.count(15, 2), setting.count(40, 6)
    with tempfile.TemporaryDirectory(prefix="edge-assistant-bench-") as name:
        folder = Path(name)
        async with _ready_device(setting) as (device, client):
            await _add(device, write_documents(folder / "first", size))
            await _until(device, pending=False)
            idle = await _ask(client, rounds)
            await _add(device, write_documents(folder / "again", size))
            await _until(device, pending=True)
            busy = await _ask(client, rounds)
            if not await _pending(device):
                return MEANWHILE.unmeasured("all documents were read before the questions were answered")
    peace, meanwhile = (median([each.first_token_seconds for each in asked]) for asked in (idle, busy))
    return MEANWHILE.measured(
        meanwhile / peace,
        f"medians of {rounds}: {_described(busy)} meanwhile, {_described(idle)} in peace",
    )


def _described(asked: list[Heard]) -> str:
    seconds = [each.first_token_seconds for each in asked]
    return f"{spread(seconds)} s with {median([each.prompt_tokens for each in asked]):.0f} tokens of prompt"


@asynccontextmanager
async def _ready_device(setting: Setting) -> AsyncIterator[tuple[Device, Browser]]:
    async with running_device(setting, {"documents": {"answer": "model"}}) as device:
        await device.wait_for_model()
        async with browser(device) as client:
            await _ask(client, len(QUESTIONS))
            yield device, client


async def _ask(client: Browser, rounds: int) -> list[Heard]:
    """Ask on a page of its own: one that waits for documents answers no ping and is given up."""
    async with client.page() as page:
        return [await page.ask_briefly(QUESTIONS[number % len(QUESTIONS)]) for number in range(rounds)]


async def _add(device: Device, paths: list[Path]) -> None:
    answer = await device.order("documents.add", paths=[str(path) for path in paths])
    if answer["type"] != "documents":
        raise EdgeError("BENCH_FAILED", f"the documents were not taken: {answer.get('code')}")


async def _pending(device: Device) -> bool:
    """Return whether anything is still to be read or embedded."""
    items = (await device.order("documents.list"))["items"]
    return any(each["state"] != "ready" or each["pending"] for each in items)


async def _until(device: Device, *, pending: bool) -> None:
    while await _pending(device) is not pending:  # noqa: ASYNC110 - another process
        await asyncio.sleep(POLL_SECONDS)


def write_documents(folder: Path, number: int) -> list[Path]:
    """Write Markdown documents with a heading every few paragraphs."""
    folder.mkdir(exist_ok=True)
    texts = any_paragraphs(number * PARAGRAPHS_A_DOCUMENT)
    paths = []
    for start in range(0, len(texts), PARAGRAPHS_A_DOCUMENT):
        parts = texts[start : start + PARAGRAPHS_A_DOCUMENT]
        lines = [f"## Part {at // 5}\n\n{text}" if at % 5 == 0 else text for at, text in enumerate(parts)]
        paths.append(folder / f"document-{start // PARAGRAPHS_A_DOCUMENT}.md")
        paths[-1].write_text("\n\n".join(lines), encoding="utf-8")
    return paths


MEASUREMENTS = (Measurement((RATE,), measure_rate), Measurement((MEANWHILE,), measure_meanwhile))
