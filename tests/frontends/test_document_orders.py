"""Files that the daemon can't see come over the socket, as those of a service with a /tmp of its own."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from edge_assistant.documents.library import Library
from edge_assistant.errors import EdgeError
from edge_assistant.frontends.document_orders import (
    AddDocuments,
    SeeDocuments,
    SeenFile,
    UploadDocument,
    obey,
    receive,
)
from edge_assistant.memory.embedding import NoEmbedder
from edge_assistant.memory.search import SearchIndex
from edge_assistant.store.database import Database

CONTENT = b"The heron nests behind the mill. " * 2000


@pytest.fixture
async def library(tmp_path: Path):
    database = await Database.open(tmp_path / "state" / "assistant.db", bytes(32))
    yield Library(database, SearchIndex(database, NoEmbedder("m")), max_bytes=len(CONTENT))
    await database.close()


def stream_of(*pieces: bytes, ended: bool = False) -> asyncio.StreamReader:
    stream = asyncio.StreamReader()
    for piece in pieces:
        stream.feed_data(piece)
    if ended:
        stream.feed_eof()
    return stream


async def test_only_the_very_same_readable_file_counts_as_seen(library: Library, tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("a")
    status = file.stat()
    files = [
        SeenFile(str(file), status.st_dev, status.st_ino),
        SeenFile(str(file), status.st_dev, status.st_ino + 1),
        SeenFile(str(tmp_path / "gone.txt"), 1, 1),
    ]
    assert (await obey(SeeDocuments(files), library)).paths == [files[1].path, files[2].path]  # type: ignore[union-attr]


async def test_bytes_become_a_document_and_what_follows_them_is_left_on_the_stream(library: Library) -> None:
    stream = stream_of(CONTENT[:100], CONTENT[100:] + b"next line\n")
    (document,) = (await receive(UploadDocument("a.txt", len(CONTENT)), library, stream)).items
    assert (document.name, document.bytes, document.state) == ("a.txt", len(CONTENT), "waiting")
    assert await stream.readline() == b"next line\n"


async def test_what_is_too_large_is_read_to_its_end_refused_and_forgotten(library: Library) -> None:
    stream = stream_of(CONTENT, b"xy", b"next line\n")
    with pytest.raises(EdgeError, match="DOCUMENT_TOO_LARGE"):
        await receive(UploadDocument("a.txt", len(CONTENT) + 2), library, stream)
    assert await stream.readline() == b"next line\n"
    assert await library.chosen(lambda db: [row[0] for row in db.execute("SELECT id FROM documents")]) == []


async def test_a_caller_that_leaves_in_the_middle_leaves_nothing(library: Library) -> None:
    with pytest.raises(EOFError):
        await receive(UploadDocument("a.txt", 500), library, stream_of(CONTENT[:100], ended=True))
    assert await library.chosen(lambda db: [row[0] for row in db.execute("SELECT id FROM documents")]) == []


async def test_without_a_library_it_is_said_after_the_bytes_came() -> None:
    stream = stream_of(b"12345next line\n")
    with pytest.raises(EdgeError, match="DOCUMENTS_OFF"):
        await receive(UploadDocument("a.txt", 5), None, stream)
    assert await stream.readline() == b"next line\n"
    with pytest.raises(EdgeError, match="DOCUMENTS_OFF"):
        await obey(AddDocuments(), None)
