"""The library: what people gave to look things up in, whose it is, how it fares, and the search in it.

Everything that is added is in the database before anything is read, so nothing that was accepted is
lost; `Ingest` reads what waits there.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import apsw
import msgspec

from edge_assistant.documents import rows
from edge_assistant.documents.document import HOUSEHOLD, SOURCE, Document, Found
from edge_assistant.documents.finding import found_in, passages_from
from edge_assistant.documents.origin import from_file, new_document
from edge_assistant.documents.upload import Upload
from edge_assistant.errors import DocumentError, EdgeError, UsageError
from edge_assistant.memory.conversation_rows import storable
from edge_assistant.memory.index_rows import pending_of
from edge_assistant.memory.index_types import Filters
from edge_assistant.memory.search import SearchIndex
from edge_assistant.memory.words import telling_words
from edge_assistant.store.database import Database

PAGE = 200
PIECE_BYTES = 1 << 20
MOST_DOCUMENTS = 100_000
"""Of one person; more is not what a library at home is for."""

MAX_URL_CHARACTERS = 2_000


class Reader(msgspec.Struct, frozen=True):
    """Who looks into the library."""

    principal: str
    shared: bool = True
    """Whether they see what the household shares; guests don't."""

    @property
    def owners(self) -> tuple[str, ...]:
        """Whose documents they see."""
        return (self.principal, HOUSEHOLD) if self.shared else (self.principal,)


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a search shall be bound to; empty lets everything through. Times are UNIX seconds."""

    source: str = ""
    """Id of a document, or a kind such as `pdf`."""
    after: float | None = None
    before: float | None = None


EVERYTHING = Wanted()


class Library:
    """Documents in the store and in the search index."""

    def __init__(self, database: Database, index: SearchIndex, *, max_bytes: int) -> None:
        self._database = database
        self._index = index
        self.max_bytes = max_bytes
        self._on_waiting: list[Callable[[], None]] = []
        self._on_removal: list[Callable[[str], None]] = []

    def when_waiting(self, wake: Callable[[], None]) -> None:
        """Have `wake()` called whenever a document came into the line."""
        self._on_waiting.append(wake)

    def when_removed(self, tell: Callable[[str], None]) -> None:
        """Have `tell(id)` called when a document is removed, which may be being read."""
        self._on_removal.append(tell)

    # --- adding

    async def add_files(
        self, paths: Iterable[Path], principal: str, *, watched: bool = False
    ) -> list[Document]:
        """Put files of this device into the line in one transaction.

        Watched ones that are gone meanwhile are left out. Raises DOCUMENT_UNREADABLE, DOCUMENTS_FULL.
        """
        made = await asyncio.to_thread(lambda: [from_file(path, principal, watched) for path in paths])
        for each in made:
            if isinstance(each, DocumentError) and not watched:
                raise each
        return await self._put([each for each in made if isinstance(each, Document)])

    async def add_url(self, url: str, principal: str) -> Document:
        """Put a web page into the line, again when it is there already; raises DOCUMENT_BAD_ADDRESS."""
        parts = urlsplit(url.strip())
        if parts.scheme not in {"http", "https"} or not parts.hostname or len(url) > MAX_URL_CHARACTERS:
            raise UsageError(
                "DOCUMENT_BAD_ADDRESS", "a web page has an address such as https://example.org/a"
            )
        address = parts._replace(fragment="").geturl()
        now = time.time()
        document = new_document(principal, f"url:{address}", name=address, stamp=str(now))
        return (await self._put([document]))[0]

    async def begin_upload(self, name: str, principal: str) -> Upload:
        """Begin to take a file piece by piece."""
        document = msgspec.structs.replace(
            new_document(principal, f"upload:{uuid.uuid4().hex}", name=name), state="uploading"
        )
        await self._put([document])
        return Upload(self._database, document, self.max_bytes, self.wake)

    async def _put(self, documents: Sequence[Document]) -> list[Document]:
        def work(db: apsw.Connection) -> list[Document]:
            for principal in {document.principal for document in documents}:
                if sum(rows.counts(db, (principal,)).values()) + len(documents) > MOST_DOCUMENTS:
                    message = (
                        f"the library is full: it has room for {MOST_DOCUMENTS:,} documents of one person"
                    )
                    raise EdgeError("DOCUMENTS_FULL", message)
            return [rows.put(db, document) for document in documents]

        put = await self._database.write(work)
        self.wake()
        return put

    def wake(self) -> None:
        """Tell that something may wait."""
        for wake in self._on_waiting:
            wake()

    # --- seeing and removing

    async def page(self, reader: Reader, *, after: str = "", state: str = "") -> list[Document]:
        """Return a page of documents, the newest first; `after` is the id of the last one before it."""
        return (await self.overview(reader, after=after, state=state))[0]

    async def overview(
        self, reader: Reader, *, after: str = "", state: str = ""
    ) -> tuple[list[Document], dict[str, int]]:
        """Return a page of documents, and how many are in each state in all: both of one moment."""

        def work(db: apsw.Connection) -> tuple[list[Document], dict[str, int]]:
            return rows.visible(db, reader.owners, PAGE, after, state), rows.counts(db, reader.owners)

        found, counts = await self._database.read(work)
        return await self._with_pending(found), counts

    async def get(self, document_id: str, reader: Reader) -> Document:
        """Return a document; raises DOCUMENT_NOT_FOUND, also when it is somebody else's."""
        found = await self._database.read(lambda db: rows.by_id(db, document_id))
        if found is None or found.principal not in reader.owners:
            raise EdgeError("DOCUMENT_NOT_FOUND", "there is no such document in the library")
        return (await self._with_pending([found]))[0]

    async def remove(self, document_id: str, reader: Reader) -> Document:
        """Erase a document with everything that was made of it; raises DOCUMENT_NOT_FOUND."""
        document = await self.get(document_id, reader)
        self.let_go([document.id])  # first: its reader must not put anything into the index afterwards
        await self._database.write(lambda db: rows.remove(db, document.id))
        return document

    async def remove_gone(self, origins: Iterable[str]) -> int:
        """Erase watched documents whose files are gone; return how many."""
        gone = await self.chosen(lambda db: rows.watched_at(db, list(origins)))
        self.let_go(gone)
        return await self._database.write(lambda db: sum(rows.remove(db, each) for each in gone))

    async def files(self, principal: str) -> dict[str, tuple[str, bool]]:
        """Return stamp and whether it is watched of every file of a person, by its origin."""
        return await self._database.read(lambda db: rows.files_of(db, principal))

    async def chosen(self, choose: Callable[[apsw.Connection], list[str]]) -> list[str]:
        """Return the ids of documents that `choose` finds in the store."""
        return await self._database.read(choose)

    def let_go(self, documents: Iterable[str]) -> None:
        """Stop reading documents that were removed from the store."""
        for document in documents:
            for tell in self._on_removal:
                tell(document)

    # --- searching

    async def search(
        self, question: str, reader: Reader, wanted: Wanted = EVERYTHING, k: int = 10
    ) -> list[Found]:
        """Return the passages that fit best, the best first."""
        kind = wanted.source if wanted.source in _KINDS else ""
        filters = Filters(
            principal=reader.principal,
            shared=reader.shared,
            sources=(SOURCE,),
            types=(kind,) if kind else (),
            refs=(wanted.source,) if wanted.source and not kind else (),
            after=wanted.after,
            before=wanted.before,
        )
        hits = await self._index.search(question, filters, k)
        words = await self._database.read(lambda db: telling_words(db, storable(question[:2000])))
        return [found_in(hit, words) for hit in hits]

    async def passages(self, document_id: str, reader: Reader, around: int, k: int = 3) -> list[Found]:
        """Return the passages of a document from a little before `around`; raises DOCUMENT_NOT_FOUND."""
        document = await self.get(document_id, reader)
        return await self._database.read(lambda db: passages_from(db, document, max(0, around - 1), k))

    async def is_empty(self, reader: Reader) -> bool:
        """Whether there is nothing to search in."""
        return not await self._database.read(lambda db: rows.counts(db, reader.owners))

    async def _with_pending(self, documents: Sequence[Document]) -> list[Document]:
        embedder = self._index.embedder.name

        def work(db: apsw.Connection) -> list[Document]:
            if not documents or not pending_of(db, embedder, SOURCE, HOUSEHOLD, ""):
                return list(documents)
            return [
                msgspec.structs.replace(
                    each, pending=pending_of(db, embedder, SOURCE, each.principal, each.id)
                )
                for each in documents
            ]

        return await self._database.read(work)


_KINDS = frozenset({"pdf", "html", "markdown", "text", "csv", "notion", "audio"})
