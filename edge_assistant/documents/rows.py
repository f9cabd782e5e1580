"""Questions and changes to the table of documents, each inside a transaction of the caller."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import apsw
import msgspec

from edge_assistant.documents.document import HOUSEHOLD, SOURCE, Document
from edge_assistant.memory import index_rows

Values = dict[str, str | int | float]

COLUMNS = tuple(name for name in Document.__struct_fields__ if name != "pending")
_SELECT = f"SELECT {', '.join(COLUMNS)} FROM documents"  # noqa: S608 - names of ours


def put(db: apsw.Connection, document: Document) -> Document:
    """Add a document to the line, or back to it when its file changed; return it as it is now.

    The same origin is the same document. One that is there as it was stays as it is, unless it failed.
    """
    known = by_origin(db, document.principal, document.origin)
    if known is None:
        marks = ", ".join("?" * len(COLUMNS))
        fields = [getattr(document, name) for name in COLUMNS]
        db.execute(f"INSERT INTO documents({', '.join(COLUMNS)}) VALUES({marks})", fields)
        return document
    if known.stamp == document.stamp and known.state != "failed":
        return known
    changes: Values = {
        "state": "waiting",
        "code": "",
        "message": "",
        "stamp": document.stamp,
        "bytes": document.bytes,
        "watched": known.watched and document.watched,
        "changed_at": document.changed_at,
    }
    return change(db, known.id, changes) or known


def change(db: apsw.Connection, document_id: str, values: Values) -> Document | None:
    """Set columns of a document and return it; None when it is gone."""
    names = ", ".join(f"{name} = ?" for name in values)
    query = f"UPDATE documents SET {names} WHERE id = ?"  # noqa: S608 - names of ours
    db.execute(query, (*values.values(), document_id))
    return by_id(db, document_id)


def by_id(db: apsw.Connection, document_id: str) -> Document | None:
    """Return a document, whosever it is."""
    return _one(db.execute(f"{_SELECT} WHERE id = ?", (document_id,)))


def by_origin(db: apsw.Connection, principal: str, origin: str) -> Document | None:
    """Return a person's document of this origin."""
    return _one(db.execute(f"{_SELECT} WHERE principal = ? AND origin = ?", (principal, origin)))


def visible(
    db: apsw.Connection, owners: Sequence[str], limit: int, after: str = "", state: str = ""
) -> list[Document]:
    """Return documents of `owners`, the newest first; `after` is the last one of the page before."""
    query = f"""
        {_SELECT} WHERE principal IN (SELECT value FROM json_each(?1)) AND (?2 = '' OR state = ?2)
        AND (?3 = '' OR rowid < (SELECT rowid FROM documents WHERE id = ?3)) ORDER BY rowid DESC LIMIT ?4
    """  # noqa: S608 - names of ours
    return _all(db.execute(query, (_json(owners), state, after, limit)))


def counts(db: apsw.Connection, owners: Sequence[str]) -> dict[str, int]:
    """Return how many documents of `owners` are in each state."""
    query = """
        SELECT state, count(*) FROM documents
        WHERE principal IN (SELECT value FROM json_each(?)) GROUP BY state
    """
    return {str(state): int(number) for state, number in db.execute(query, (_json(owners),))}


def next_waiting(db: apsw.Connection) -> Document | None:
    """Take the next document out of the line: what somebody gave before what lay in a folder."""
    found = _one(db.execute(f"{_SELECT} WHERE state = 'waiting' ORDER BY watched, changed_at, rowid LIMIT 1"))
    return change(db, found.id, {"state": "reading"}) if found else None


def recover(db: apsw.Connection) -> int:
    """Put back into the line what was being read when the power went; drop half uploads."""
    db.execute("DELETE FROM documents WHERE state = 'uploading'")
    db.execute("UPDATE documents SET state = 'waiting' WHERE state = 'reading'")
    return db.changes()


def files_of(db: apsw.Connection, principal: str) -> dict[str, tuple[str, bool]]:
    """Return stamp and whether it is watched of every file of a person, by its origin."""
    query = "SELECT origin, stamp, watched FROM documents WHERE principal = ? AND origin LIKE 'file:%'"
    return {origin: (stamp, bool(seen)) for origin, stamp, seen in db.execute(query, (principal,))}


def remove(db: apsw.Connection, document_id: str) -> bool:
    """Delete a document with its bytes and all of it in the index."""
    document = by_id(db, document_id)
    if document is None:
        return False
    index_rows.remove(db, SOURCE, document.principal, document.id)
    db.execute("DELETE FROM documents WHERE id = ?", (document_id,))
    return True


def watched_at(db: apsw.Connection, origins: Iterable[str]) -> list[str]:
    """Return the ids of watched documents that are from these files."""
    query = f"{_SELECT} WHERE watched AND origin = ?"
    return [each.id for origin in origins for each in _all(db.execute(query, (origin,)))]


def own(db: apsw.Connection, principal: str) -> list[Document]:
    """Return all documents of one person; what the household shares is nobody's own."""
    assert principal != HOUSEHOLD
    return _all(db.execute(f"{_SELECT} WHERE principal = ?", (principal,)))


# --- bytes of uploads, until they are read


def add_bytes(db: apsw.Connection, document_id: str, data: bytes) -> None:
    """Keep the next piece of an upload."""
    db.execute("INSERT INTO document_bytes(document, data) VALUES(?, ?)", (document_id, data))


def bytes_from(db: apsw.Connection, document_id: str, after: int) -> tuple[int, bytes] | None:
    """Return number and content of the piece after the one numbered `after`; None at the end."""
    query = (
        "SELECT number, data FROM document_bytes WHERE document = ? AND number > ? ORDER BY number LIMIT 1"
    )
    found = db.execute(query, (document_id, after)).fetchone()
    return (int(found[0]), bytes(found[1])) if found else None


def drop_bytes(db: apsw.Connection, document_id: str) -> None:
    """Forget the bytes of an upload."""
    db.execute("DELETE FROM document_bytes WHERE document = ?", (document_id,))


def complete_upload(db: apsw.Connection, document: Document) -> Document:
    """Put a whole upload into the line; the same bytes as before are the document of before."""
    known = by_origin(db, document.principal, document.origin)
    if known is None:
        values: Values = {"origin": document.origin, "state": "waiting", "bytes": document.bytes}
        return change(db, document.id, values) or document
    if known.state == "failed":
        drop_bytes(db, known.id)
        db.execute("UPDATE document_bytes SET document = ? WHERE document = ?", (known.id, document.id))
        known = change(db, known.id, {"state": "waiting", "code": "", "message": ""}) or known
    db.execute("DELETE FROM documents WHERE id = ?", (document.id,))
    return known


def _json(values: Sequence[str]) -> str:
    return msgspec.json.encode(values).decode()


def _one(cursor: apsw.Cursor) -> Document | None:
    found = _all(cursor)
    return found[0] if found else None


def _all(cursor: apsw.Cursor) -> list[Document]:
    rows = (dict(zip(COLUMNS, row, strict=True)) for row in cursor)
    return [msgspec.convert({**row, "watched": bool(row["watched"])}, Document) for row in rows]
