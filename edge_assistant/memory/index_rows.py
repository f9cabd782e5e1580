"""Questions and changes to the tables of items and chunks, each inside a transaction of the caller."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import apsw
import msgspec

from edge_assistant.memory import vectors
from edge_assistant.memory.conversation_rows import storable
from edge_assistant.memory.index_types import Chunk, Detail, Filters, Hit, Item

_DETAILS = dict[str, Detail]


def append(db: apsw.Connection, item: Item, chunks: Sequence[Chunk]) -> tuple[int, list[tuple[int, str]]]:
    """Add chunks behind those of an item; return its number and the new chunks with their texts."""
    number = _upsert(db, item)
    query = "SELECT coalesce(max(position) + 1, 0) FROM index_chunks WHERE item = ?"
    start = db.execute(query, (number,)).get
    return number, [_insert(db, number, int(start) + place, chunk) for place, chunk in enumerate(chunks)]


def replace(db: apsw.Connection, item: Item, chunks: Sequence[Chunk]) -> tuple[int, list[tuple[int, str]]]:
    """Let an item have these chunks; those whose text stays keep their row and vector."""
    number = _upsert(db, item)
    kept: defaultdict[str, list[int]] = defaultdict(list)
    for chunk, text in db.execute("SELECT id, text FROM index_chunks WHERE item = ?", (number,)):
        kept[str(text)].append(int(chunk))
    added = []
    for place, chunk in enumerate(chunks):
        if same := kept.get(storable(chunk.text)):
            values = (place, _pack(chunk.metadata), same.pop())
            db.execute("UPDATE index_chunks SET position = ?, metadata = ? WHERE id = ?", values)
        else:
            added.append(_insert(db, number, place, chunk))
    for leftover in (chunk for same in kept.values() for chunk in same):
        db.execute("DELETE FROM index_chunks WHERE id = ?", (leftover,))
    return number, added


def remove(db: apsw.Connection, source: str, principal: str, ref: str) -> bool:
    """Delete an item; triggers delete its chunks, words and vectors."""
    query = """
        DELETE FROM index_items WHERE ref = ? AND space =
            (SELECT id FROM index_spaces WHERE source = ? AND principal = ?)
    """
    db.execute(query, (ref, source, principal))
    return db.changes() > 0


def remove_space(db: apsw.Connection, principal: str, source: str = "") -> int:
    """Delete everything of a principal, of one source or of all; return how many items."""
    query = """
        DELETE FROM index_items WHERE space IN
            (SELECT id FROM index_spaces WHERE principal = ?1 AND (?2 = '' OR source = ?2)) RETURNING id
    """
    return len(db.execute(query, (principal, source)).fetchall())


def pending_of(db: apsw.Connection, embedder: str, source: str, principal: str, ref: str) -> int:
    """Return how many chunks wait for a vector of `embedder`: of one item, or of all without a ref."""
    table = vectors.table_named(db, embedder)
    if table is None:
        waiting, count = "index_chunks c", "SELECT count(*) FROM index_chunks"
    else:
        waiting = f"index_pending_{table.number} p JOIN index_chunks c ON c.id = p.chunk"
        count = f"SELECT count(*) FROM index_pending_{table.number}"  # noqa: S608
    if not ref:
        return int(db.execute(count).get)
    query = f"""
        SELECT count(*) FROM {waiting} JOIN index_items i ON i.id = c.item
        JOIN index_spaces s ON s.id = i.space WHERE i.ref = ? AND s.source = ? AND s.principal = ?
    """  # noqa: S608
    return int(db.execute(query, (ref, source, principal)).get)


def visible_spaces(db: apsw.Connection, filters: Filters) -> list[int]:
    """Return the spaces that may be searched: the asker's own and the shared ones."""
    owners = {filters.principal} - {""} | ({""} if filters.shared else set())
    query = "SELECT id, source, principal FROM index_spaces"
    return [
        int(space)
        for space, source, principal in db.execute(query)
        if principal in owners and (not filters.sources or source in filters.sources)
    ]


def chosen_chunks(filters: Filters) -> str | None:
    """Return a query for the ids of the chunks that pass the filters besides source and principal.

    None when all do. It stands inside other queries, so its values are written into it, quoted.
    """
    conditions = [
        f"i.{column} IN ({', '.join(_literal(value) for value in values)})"
        for column, values in (
            ("collection", filters.collections),
            ("type", filters.types),
            ("ref", filters.refs),
        )
        if values
    ]
    if filters.after is not None:
        conditions.append(f"i.created_at >= {float(filters.after)!r}")
    if filters.before is not None:
        conditions.append(f"i.created_at < {float(filters.before)!r}")
    if not conditions:
        return None
    return (
        "SELECT ch.id FROM index_items i JOIN index_chunks ch ON ch.item = i.id "  # noqa: S608 - quoted
        f"WHERE {' AND '.join(conditions)}"
    )


def load_hits(db: apsw.Connection, scores: Mapping[int, float], similarity: Mapping[int, float]) -> list[Hit]:
    """Return the hits of the scored chunks, in no order."""
    query = """
        SELECT c.id, s.source, i.ref, s.principal, i.collection, i.type, i.title, c.text, c.position,
            i.metadata, c.metadata, i.created_at
        FROM index_chunks c JOIN index_items i ON i.id = c.item JOIN index_spaces s ON s.id = i.space
        WHERE c.id IN (SELECT value FROM json_each(?))
    """
    found = db.execute(query, (msgspec.json.encode(list(scores)).decode(),))
    return [
        Hit(
            chunk=chunk,
            source=source,
            ref=ref,
            principal=principal,
            collection=collection,
            type=kind,
            title=title,
            text=text,
            position=position,
            metadata={**_unpack(of_item), **_unpack(of_chunk)},
            created_at=created_at,
            score=scores[chunk],
            similarity=round(similarity.get(chunk, 0.0), 6),
        )
        for (
            chunk,
            source,
            ref,
            principal,
            collection,
            kind,
            title,
            text,
            position,
            of_item,
            of_chunk,
            created_at,
        ) in found
    ]


def _upsert(db: apsw.Connection, item: Item) -> int:
    names = (item.source, item.principal)
    db.execute("INSERT INTO index_spaces(source, principal) VALUES(?, ?) ON CONFLICT DO NOTHING", names)
    number = db.execute(
        """
        INSERT INTO index_items(space, ref, collection, type, title, metadata, created_at)
        SELECT id, ?3, ?4, ?5, ?6, ?7, ?8 FROM index_spaces WHERE source = ?1 AND principal = ?2
        ON CONFLICT(space, ref) DO UPDATE SET collection = excluded.collection, type = excluded.type,
            title = excluded.title, metadata = excluded.metadata, created_at = excluded.created_at
        RETURNING id
        """,
        (
            *names,
            item.ref,
            item.collection,
            item.type,
            storable(item.title),
            _pack(item.metadata),
            item.created_at,
        ),
    ).get
    return int(number)


def _insert(db: apsw.Connection, item: int, place: int, chunk: Chunk) -> tuple[int, str]:
    text = storable(chunk.text)
    query = "INSERT INTO index_chunks(item, position, text, metadata) VALUES(?, ?, ?, ?)"
    db.execute(query, (item, place, text, _pack(chunk.metadata)))
    return db.last_insert_rowid(), text


def _pack(details: Mapping[str, Detail]) -> str:
    return msgspec.json.encode(details).decode()


def _unpack(text: str) -> dict[str, Detail]:
    return msgspec.json.decode(text, type=_DETAILS)


def _literal(value: str) -> str:
    """Return a text as SQL writes it; U+0000 would end the statement."""
    return "'" + value.replace("\0", "").replace("'", "''") + "'"
