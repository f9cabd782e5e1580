"""Old entries of the audit log, packed: the log stays short and its chain whole.

A segment says which entries it holds, the hash before the first and that of the last. The hashes between
are not kept: they follow from the entries, and lead to the last one only if nothing was changed. Of the
oldest segments only that frame stays, so that the chain can still be followed across them.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import apsw
import msgspec

from edge_assistant.store.audit_entry import Entry, hash_of

ENTRIES_IN_SEGMENT = 5_000
"""The log itself holds up to twice as many."""

SEGMENTS_KEPT = 20
"""A hundred thousand entries: years of a busy house, some 3 MB."""

_Packed = list[tuple[float, str, str, dict[str, Any]]]


class Segment(NamedTuple):
    """Consecutive entries; `packed` is empty when only the frame is left."""

    first: int
    last: int
    previous: str
    hash: str
    packed: bytes

    def entries(self) -> list[Entry]:
        """Return the entries with their hashes, computed anew; none when only the frame is left."""
        if not self.packed:
            return []
        found, previous = [], self.previous
        rows = msgspec.json.decode(zlib.decompress(self.packed), type=_Packed)
        for seq, (at, event, who, details) in enumerate(rows, start=self.first):
            entry = Entry(
                seq=seq, at=at, event=event, who=who, details=details, previous=previous, hash=""
            )  # fmt: skip
            previous = hash_of(entry)
            found.append(msgspec.structs.replace(entry, hash=previous))
        return found

    def is_whole(self) -> bool:
        """Return whether its entries lead to its hash; a mere frame can't be told from a whole one."""
        if not self.packed:
            return True
        try:
            entries = self.entries()
        except (zlib.error, msgspec.DecodeError):
            return False
        return bool(entries) and (entries[-1].seq, entries[-1].hash) == (self.last, self.hash)


def segments(db: apsw.Connection, before: int | None = None) -> Iterator[Segment]:
    """Yield the segments that begin before an entry, the newest first."""
    query = """
        SELECT first, last, previous, hash, packed FROM audit_segments
        WHERE ?1 IS NULL OR first < ?1 ORDER BY first DESC
    """
    for row in db.execute(query, (before,)):
        yield Segment(*row)


def pack_oldest(db: apsw.Connection, entries: Sequence[Entry]) -> None:
    """Put the oldest entries of the log into a segment, and empty what is beyond the kept ones."""
    rows = [(each.at, each.event, each.who, each.details) for each in entries]
    first, last = entries[0], entries[-1]
    packed = zlib.compress(msgspec.json.encode(rows), 9)
    values = (first.seq, last.seq, first.previous, last.hash, packed)
    db.execute(
        "INSERT INTO audit_segments(first, last, previous, hash, packed) VALUES(?, ?, ?, ?, ?)", values
    )
    db.execute("DELETE FROM audit WHERE seq <= ?", (last.seq,))
    db.execute(
        """
        UPDATE audit_segments SET packed = x'' WHERE packed <> x'' AND first NOT IN
            (SELECT first FROM audit_segments ORDER BY first DESC LIMIT ?)
        """,
        (SEGMENTS_KEPT,),
    )
