"""A file that comes piece by piece, kept in the database until it is whole and read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import apsw
import msgspec

from edge_assistant.documents import rows
from edge_assistant.documents.document import Document
from edge_assistant.documents.origin import too_large
from edge_assistant.store.database import Database

PIECE_BYTES = 1 << 20


class Upload:
    """A file that comes piece by piece. Ends with `finish` or `drop`."""

    def __init__(
        self, database: Database, document: Document, max_bytes: int, wake: Callable[[], None]
    ) -> None:
        self._database = database
        self._document = document
        self._max_bytes = max_bytes
        self._wake = wake
        self._hash = hashlib.sha256()
        self._waiting = bytearray()
        self.bytes = 0

    async def write(self, data: bytes) -> None:
        """Take the next piece; raises DOCUMENT_TOO_LARGE."""
        self.bytes += len(data)
        if self.bytes > self._max_bytes:
            raise too_large(self._max_bytes)
        self._hash.update(data)
        self._waiting += data
        if len(self._waiting) >= PIECE_BYTES:
            await self._keep()

    async def finish(self) -> Document:
        """Put it into the line; the same bytes as once before are the document of then."""
        await self._keep()
        origin = f"upload:{self._hash.hexdigest()}"
        whole = msgspec.structs.replace(self._document, origin=origin, bytes=self.bytes)
        document = await self._database.write(lambda db: rows.complete_upload(db, whole))
        self._wake()
        return document

    async def drop(self) -> None:
        """Forget what came. Idempotent, and nothing after `finish`."""

        def work(db: apsw.Connection) -> None:
            found = rows.by_id(db, self._document.id)
            if found is not None and found.state == "uploading":
                rows.remove(db, found.id)

        await self._database.write(work)

    async def _keep(self) -> None:
        if self._waiting:
            data, self._waiting = bytes(self._waiting), bytearray()
            await self._database.write(lambda db: rows.add_bytes(db, self._document.id, data))
