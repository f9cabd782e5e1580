"""What opens documents has no network, no files, no keys; and what a power cut leaves is read again."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import msgspec
import psutil
import pytest

from edge_assistant.documents.files import FileReaders
from edge_assistant.documents.ingest import Ingest
from edge_assistant.documents.library import Library, Reader
from edge_assistant.documents.wire import FilesSettings
from edge_assistant.memory.embedding import NoEmbedder
from edge_assistant.memory.search import SearchIndex
from edge_assistant.store.database import Database
from tests.documents import samples

ANN = Reader("ann")
PAGES = 2000

ATTEMPTS = """
    import json, os, socket, subprocess, sys
    from edge_assistant.documents import sandbox

    document = os.open(sys.argv[1], os.O_RDONLY)
    way_out = os.dup(1)
    held = socket.create_server(("127.0.0.1", 0)).fileno()
    sandbox.enter((document, way_out), memory_bytes=1 << 28, cpu_seconds=20)

    def fate(attempt):
        try:
            attempt()
        except OSError as error:
            return error.errno
        return 0

    attempts = {
        "socket": lambda: socket.socket(),
        "unix socket": lambda: socket.socket(socket.AF_UNIX),
        "open": lambda: os.open(sys.argv[1], os.O_RDONLY),
        "look around": lambda: os.listdir("/"),
        "start": lambda: os.execv("/bin/true", ["true"]),
        "fork": lambda: os.fork(),
        "kill": lambda: os.kill(os.getppid(), 0),
        "a socket held before": lambda: os.fstat(held),
        "read the document": lambda: os.read(document, 10),
    }
    os.write(way_out, json.dumps({name: fate(each) for name, each in attempts.items()}).encode())
    os._exit(0)
"""

ORPHANED = """
    import os, sys, time
    from edge_assistant.documents import sandbox

    sandbox._CLONE_NEWUSER = 1  # no such flag: as where namespaces are refused
    way_in, way_out = os.dup(0), os.dup(1)
    if os.fork():
        time.sleep(600)
    entered = sandbox.enter((way_in, way_out), memory_bytes=1 << 28, cpu_seconds=20)
    os.write(way_out, f"{os.getpid()} {entered.namespaces}\\n".encode())
    os.read(way_in, 1)
"""

INGESTING = """
    import asyncio, sys
    from pathlib import Path
    from edge_assistant.documents.files import FileReaders
    from edge_assistant.documents.ingest import Ingest
    from edge_assistant.documents.library import Library
    from edge_assistant.memory.embedding import NoEmbedder
    from edge_assistant.memory.search import SearchIndex
    from edge_assistant.store.database import Database

    async def main(path, key, book):
        database = await Database.open(Path(path), bytes.fromhex(key))
        index = SearchIndex(database, NoEmbedder("m"))
        library = Library(database, index, max_bytes=1 << 24)
        (await library.add_files([Path(book)], "ann"))[0]
        await Ingest(library, database, index, FileReaders(), None).start()
        while not await database.read(
            lambda db: db.execute("SELECT count(*) FROM index_chunks").fetchone()[0]
        ):
            await asyncio.sleep(0.005)
        print("amid", flush=True)
        await asyncio.sleep(600)

    asyncio.run(main(*sys.argv[1:]))
"""


def test_a_reader_can_reach_nothing_but_the_document_it_was_given(tmp_path: Path) -> None:
    document = tmp_path / "a.txt"
    document.write_text("A document.")
    script = (sys.executable, "-c", textwrap.dedent(ATTEMPTS), str(document))
    done = subprocess.run(script, capture_output=True, check=True, timeout=60)
    fates = msgspec.json.decode(done.stdout, type=dict[str, int])
    assert fates.pop("read the document") == 0
    assert 0 not in fates.values(), fates


def test_a_reader_ends_with_its_worker_also_where_root_became_nobody() -> None:
    worker = subprocess.Popen(
        (sys.executable, "-c", textwrap.dedent(ORPHANED)), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert worker.stdout is not None
    with worker.stdout as said:
        number, namespaces = said.readline().split()
    assert namespaces == b"False"
    reader = psutil.Process(int(number))
    worker.kill()
    worker.wait(60)
    assert psutil.wait_procs([reader], timeout=60)[0]


async def test_the_worker_that_opens_documents_is_not_given_the_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_ASSISTANT_SECRET_CLOUD", "canary-of-the-cloud")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/canary-of-systemd")
    note = tmp_path / "note.txt"
    note.write_text("Tea is steeped for three minutes.")
    files = FileReaders()
    try:
        async with files.open(note) as document:
            environment = Path(f"/proc/{files.worker_state.pid}/environ").read_bytes()
            assert [chunk.text async for batch in document.batches() for chunk in batch]
    finally:
        await files.stop()
    assert b"PATH=" in environment
    assert b"canary" not in environment


async def test_a_pdf_of_2000_pages_is_read_to_its_end(tmp_path: Path) -> None:
    path = samples.pdf(tmp_path / "long.pdf", [f"Page {n} of the register." for n in range(1, PAGES + 1)])
    files = FileReaders(FilesSettings())
    try:
        async with files.open(path) as document:
            text = "\n".join([chunk.text async for batch in document.batches() for chunk in batch])
            assert document.about.pages == PAGES
    finally:
        await files.stop()
    assert all(f"Page {n} of the register." in text for n in (1, PAGES // 2, PAGES))


async def test_a_document_whose_reading_was_killed_is_read_whole_at_the_next_start(tmp_path: Path) -> None:
    book, path, key = tmp_path / "book.md", tmp_path / "assistant.db", secrets.token_bytes(32)
    chapter = "Sentence of the book. " * 30
    book.write_text("\n\n".join(f"# Chapter {n}\n\n{chapter}" for n in range(1500)))
    script = (sys.executable, "-c", textwrap.dedent(INGESTING), str(path), key.hex(), str(book))
    with subprocess.Popen(script, stdout=subprocess.PIPE) as victim:
        assert victim.stdout is not None
        try:
            assert victim.stdout.readline() == b"amid\n"
        finally:
            os.kill(victim.pid, signal.SIGKILL)
    database = await Database.open(path, key)
    index = SearchIndex(database, NoEmbedder("m"))
    library = Library(database, index, max_bytes=1 << 24)
    (left,) = await library.page(ANN)
    assert left.state == "reading"
    ingest = Ingest(library, database, index, FileReaders(), None)
    await ingest.start()
    try:
        async with asyncio.timeout(60):
            while (again := await library.get(left.id, ANN)).state not in {"ready", "failed"}:
                await asyncio.sleep(0.02)
    finally:
        await ingest.stop()
    rows = await database.read(lambda db: db.execute("SELECT count(*) FROM index_chunks").fetchone()[0])
    await database.close()
    assert (again.state, rows) == ("ready", again.chunks)
    assert again.chunks >= 1500
