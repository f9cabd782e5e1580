"""The line of what is to be read, the watched folder, and what must not happen when things go wrong."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest

from edge_assistant.documents import rows
from edge_assistant.documents.document import HOUSEHOLD, Document
from edge_assistant.documents.files import FileReaders
from edge_assistant.documents.ingest import Ingest
from edge_assistant.documents.library import Library, Reader
from edge_assistant.documents.watch import Folder, Seen, Watcher, is_away
from edge_assistant.documents.wire import FilesSettings
from edge_assistant.memory.embedding import NoEmbedder
from edge_assistant.memory.search import SearchIndex
from edge_assistant.store.database import Database

ANN = Reader("ann")
MEGABYTES = 2


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(tmp_path / "assistant.db", secrets.token_bytes(32))
    yield opened
    await opened.close()


@pytest.fixture
def library(database: Database) -> Library:
    return Library(database, SearchIndex(database, NoEmbedder("m")), max_bytes=MEGABYTES << 20)


@asynccontextmanager
async def reading(database: Database, library: Library) -> AsyncIterator[None]:
    """Read what waits until the block ends."""
    files = FileReaders(FilesSettings(file_bytes=MEGABYTES << 20))
    ingest = Ingest(library, database, SearchIndex(database, NoEmbedder("m")), files, None)
    await ingest.start()
    yield
    await ingest.stop()


async def settled(library: Library, document: Document, reader: Reader = ANN) -> Document:
    """Return a document once it was read."""
    async with asyncio.timeout(60):
        while (found := await library.get(document.id, reader)).state not in {"ready", "failed"}:
            await asyncio.sleep(0.02)
    return found


async def test_a_file_is_read_once_again_when_it_changed_and_erased_when_removed(
    database: Database, library: Library, tmp_path: Path
) -> None:
    note = tmp_path / "note.md"
    note.write_text("# Roses\n\nThey want water on Tuesdays.\n")
    async with reading(database, library):
        first = await settled(library, (await library.add_files([note], "ann"))[0])
        assert (first.state, first.chunks) == ("ready", 1)
        assert ((await library.add_files([note], "ann"))[0]).changed_at == first.changed_at
        note.write_text("# Roses\n\nThey want water on Fridays.\n")
        changed = (await library.add_files([note], "ann"))[0]
        assert (changed.id, changed.state) == (first.id, "waiting")
        await settled(library, changed)
        assert [each.text for each in await library.search("Fridays", ANN)]
        assert not any("Tuesdays" in each.text for each in await library.search("Tuesdays", ANN))
        await library.remove(first.id, ANN)
    assert await library.search("Fridays", ANN) == []
    assert await library.is_empty(ANN)


async def test_a_500_mb_file_is_refused_and_the_next_one_is_read(
    database: Database, library: Library, tmp_path: Path
) -> None:
    large, small = tmp_path / "large.txt", tmp_path / "small.txt"
    with large.open("wb") as file:
        file.truncate(500 << 20)
    small.write_text("Small talk about tea.")
    added = await library.add_files([large, small], "ann")
    async with reading(database, library):
        refused, read = [await settled(library, each) for each in added]
    assert (refused.state, refused.code) == ("failed", "DOCUMENT_TOO_LARGE")
    assert read.state == "ready"


async def test_what_was_being_read_when_the_power_went_is_read_again(
    database: Database, library: Library, tmp_path: Path
) -> None:
    book = tmp_path / "book.md"
    book.write_text(
        "\n\n".join(f"# Chapter {n}\n\n" + f"Sentence {n} of the book. " * 30 for n in range(1500))
    )
    document = (await library.add_files([book], "ann"))[0]
    started = asyncio.Event()
    library.when_waiting(started.set)
    async with reading(database, library):
        async with asyncio.timeout(60):
            while (await library.get(document.id, ANN)).state != "reading" or not await _chunks(database):
                await asyncio.sleep(0.005)
    assert (await library.get(document.id, ANN)).state == "reading"
    async with reading(database, library):
        again = await settled(library, document)
    assert again.state == "ready"
    assert await _chunks(database) == again.chunks > 1500 - 1


async def _chunks(database: Database) -> int:
    return int(await database.read(lambda db: db.execute("SELECT count(*) FROM index_chunks").fetchone()[0]))


async def test_the_watched_folder_is_followed(database: Database, library: Library, tmp_path: Path) -> None:
    folder = tmp_path / "papers"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "tea.md").write_text("Tea is steeped for three minutes.")
    (folder / ".hidden.md").write_text("hidden")
    (tmp_path / "outside.md").write_text("outside")
    (folder / "link.md").symlink_to(tmp_path / "outside.md")
    watcher = Watcher(library, folder, settled_seconds=0)
    await watcher.look()
    (tea,) = await library.page(ANN)
    assert (tea.name, tea.principal, tea.watched) == ("tea.md", HOUSEHOLD, True)
    async with reading(database, library):
        await settled(library, tea)
        await watcher.look()
        assert (await library.get(tea.id, ANN)).state == "ready"
        (folder / "deep" / "tea.md").write_text("Tea is steeped for four minutes.")
        await watcher.look()
        await settled(library, tea)
        assert "four" in (await library.search("steeped minutes", ANN))[0].text
        await asyncio.to_thread(shutil.move, folder, tmp_path / "away")
        await watcher.look()
        assert len(await library.page(ANN)) == 1, "a folder that is away takes nothing along"
        await asyncio.to_thread(shutil.move, tmp_path / "away", folder)
        (folder / "deep" / "tea.md").unlink()
        await watcher.look()
    assert await library.page(ANN) == []
    assert await library.search("steeped", ANN) == []


async def test_a_file_that_is_still_being_written_waits(library: Library, tmp_path: Path) -> None:
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "a.md").write_text("half")
    watcher = Watcher(library, tmp_path / "papers", settled_seconds=3600)
    await watcher.look()
    assert await library.page(ANN) == []


async def counts(library: Library) -> dict[str, int]:
    return (await library.overview(ANN))[1]


async def test_a_folder_of_20000_files_keeps_nobody_waiting_and_goes_as_it_came(
    database: Database, library: Library, tmp_path: Path
) -> None:
    folder = tmp_path / "papers"
    folder.mkdir()
    for number in range(20_000):
        descriptor = os.open(folder / f"{number:05}.txt", os.O_CREAT | os.O_WRONLY)
        os.write(descriptor, b"paper %d" % number)
        os.close(descriptor)
    watcher = Watcher(library, folder, settled_seconds=0)
    await watcher.look()
    assert await counts(library) == {"waiting": 20_000}
    mine = tmp_path / "mine.txt"
    mine.write_text("What somebody gives comes first.")
    given = (await library.add_files([mine], "ann"))[0]
    async with reading(database, library):
        assert (await settled(library, given)).state == "ready"
        assert (await counts(library))["waiting"] > 10_000
        for path in folder.iterdir():
            path.unlink()
        await watcher.look()
    assert await counts(library) == {"ready": 1}


async def test_a_list_and_its_counts_are_of_one_moment(
    database: Database, library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a page that sees "reading" beside a count of none would never look again."""
    note = tmp_path / "note.md"
    note.write_text("# Roses")
    document = (await library.add_files([note], "ann"))[0]
    loop, visible = asyncio.get_running_loop(), rows.visible

    def read_meanwhile(db: apsw.Connection, *query: Any) -> list[Document]:
        found = visible(db, *query)
        writing = database.write(lambda db: rows.change(db, document.id, {"state": "ready"}))
        asyncio.run_coroutine_threadsafe(writing, loop).result(60)
        return found

    monkeypatch.setattr(rows, "visible", read_meanwhile)
    (listed,), counted = await library.overview(ANN)
    assert (listed.state, counted) == ("waiting", {"waiting": 1})
    assert (await library.get(document.id, ANN)).state == "ready"


@pytest.mark.parametrize("mounted", ["papers", "papers/share"])
async def test_an_empty_mount_point_takes_nothing_along(
    library: Library, tmp_path: Path, mounted: str
) -> None:
    folder, share = tmp_path / "papers", tmp_path / mounted
    share.mkdir(parents=True)
    (share / "a.txt").write_text("a")
    (share / "b.txt").write_text("b")
    watcher = Watcher(library, folder, settled_seconds=0)
    await watcher.look()
    share.rename(tmp_path / "unmounted")
    share.mkdir()
    await watcher.look()
    assert len(await library.page(ANN)) == 2
    restarted = Watcher(library, folder, settled_seconds=0)
    await restarted.look()
    assert len(await library.page(ANN)) == 2, "nor after a restart without it"
    share.rmdir()
    (tmp_path / "unmounted").rename(share)
    await restarted.look()
    (share / "a.txt").unlink()
    await restarted.look()
    (share / "b.txt").unlink()
    await restarted.look()
    assert await library.page(ANN) == [], "what is deleted from a folder that is there is erased"


def test_what_cannot_be_read_now_is_away_and_a_mount_that_went_with_its_folder_too() -> None:
    root, stick = Path("/papers"), Path("/papers/stick")
    here, other = Folder(1, 10, empty=False), Folder(2, 10, empty=False)
    seen = Seen({}, {root: here}, [])
    assert not is_away(stick / "a", root, seen, {root: here, stick: Folder(1, 11, empty=False)})
    assert is_away(stick / "a", root, seen, {root: here, stick: other})
    assert is_away(stick / "deep/a", root, Seen({}, {root: here}, [stick]), {})
    assert not is_away(root / "a", root, seen, {})
