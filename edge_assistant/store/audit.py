"""A log of who read, changed, exported and forgot what, to which entries can only be added.

Each entry carries the hash of the one before it, so that nobody changes or removes one unseen: not
even whoever has the database's key, as long as a receipt or a copy of a later hash lies elsewhere.
It holds no personal text. People and things stand as pseudonyms: an HMAC under a key of this device,
the same for each entry, so that an auditor can tell whether two entries are about one person.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from typing import Any

import apsw
import msgspec

from edge_assistant.store.audit_entry import Entry, hash_of, packed
from edge_assistant.store.audit_segment import ENTRIES_IN_SEGMENT, pack_oldest, segments
from edge_assistant.store.database import Database

PSEUDONYM_DIGITS = 16
DETAIL_CHARACTERS = 64
"""A detail is a word of the program or a number; whatever is longer may be somebody's words."""

_PLAIN = (str, int, float, bool)


class AuditLog:
    """The log in the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, event: str, principal: str, details: Mapping[str, Any]) -> None:
        """Add an entry, durable when this returns; texts that are too long for a detail stay out."""
        await self.add(event, principal, details)

    async def add(self, event: str, principal: str, details: Mapping[str, Any]) -> Entry:
        """Add an entry and return it."""
        return await self._database.write(lambda db: append(db, event, principal, details))

    async def pseudonym(self, name: str) -> str:
        """Return as what a person or thing stands in the log."""
        return await self._database.read(lambda db: pseudonym(db, name))

    async def entries(self, limit: int = 200, before: int | None = None) -> list[Entry]:
        """Return the last entries, or the last before one, the newest first."""
        return await self._database.read(lambda db: _last(db, limit, before))

    async def entry(self, seq: int) -> Entry | None:
        """Return one entry; None also when it is so old that only its segment's frame is left."""
        found = await self._database.read(lambda db: _last(db, 1, seq + 1))
        return found[0] if found and found[0].seq == seq else None

    async def first_broken(self) -> int | None:
        """Return the number of the first entry that does not continue the chain; None when all do."""
        return await self._database.scan(first_broken)


def append(db: apsw.Connection, event: str, principal: str, details: Mapping[str, Any]) -> Entry:
    """Add an entry inside a transaction of the caller."""
    query = "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1"
    seq, previous = db.execute(query).fetchone() or (0, "")
    entry = Entry(
        seq=int(seq) + 1, at=round(time.time(), 3), event=event, who=pseudonym(db, principal),
        details={key: value for key, value in details.items() if _fits(value)}, previous=previous, hash="",
    )  # fmt: skip
    entry = msgspec.structs.replace(entry, hash=hash_of(entry))
    values = (
        entry.seq, entry.at, event, entry.who, packed(entry.details), entry.previous, entry.hash,
    )  # fmt: skip
    db.execute("INSERT INTO audit VALUES(?, ?, ?, ?, ?, ?, ?)", values)
    _pack_when_long(db)
    return entry


def pseudonym(db: apsw.Connection, name: str) -> str:
    """Return as what a person or thing stands in the log."""
    key = bytes(db.execute("SELECT key FROM audit_key").get)
    return hmac.digest(key, name.encode(errors="replace"), "sha256").hex()[:PSEUDONYM_DIGITS]


def first_broken(db: apsw.Connection) -> int | None:
    """Return the number of the first entry that does not continue the chain; None when all do.

    Of a packed segment it is the number of its first entry, whichever was changed.
    """
    expected, previous = 1, ""
    for segment in sorted(segments(db)):
        if (segment.first, segment.previous) != (expected, previous) or not segment.is_whole():
            return expected
        expected, previous = segment.last + 1, segment.hash
    for row in db.execute("SELECT * FROM audit ORDER BY seq"):
        entry = _entry(row)
        if (entry.seq, entry.previous, entry.hash) != (expected, previous, hash_of(entry)):
            return expected
        expected, previous = entry.seq + 1, entry.hash
    return None


def _last(db: apsw.Connection, limit: int, before: int | None) -> list[Entry]:
    """Return the last entries, or the last before one, the newest first."""
    query = "SELECT * FROM audit WHERE ?1 IS NULL OR seq < ?1 ORDER BY seq DESC LIMIT ?2"
    found = [_entry(row) for row in db.execute(query, (before, limit))]
    for segment in segments(db, before):
        if len(found) >= limit:
            break
        older = [each for each in reversed(segment.entries()) if before is None or each.seq < before]
        found += older[: limit - len(found)]
    return found


def _pack_when_long(db: apsw.Connection) -> None:
    length = db.execute("SELECT max(seq) - min(seq) + 1 FROM audit").get
    if int(length) >= 2 * ENTRIES_IN_SEGMENT:
        query = "SELECT * FROM audit ORDER BY seq LIMIT ?"
        pack_oldest(db, [_entry(row) for row in db.execute(query, (ENTRIES_IN_SEGMENT,)).fetchall()])


def _entry(row: Any) -> Entry:
    seq, at, event, who, details, previous, digest = row
    return Entry(
        seq=seq, at=at, event=event, who=who, details=msgspec.json.decode(details), previous=previous,
        hash=digest,
    )  # fmt: skip


def _fits(value: Any) -> bool:
    return isinstance(value, _PLAIN) and (not isinstance(value, str) or len(value) <= DETAIL_CHARACTERS)
