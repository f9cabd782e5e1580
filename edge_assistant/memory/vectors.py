"""The vectors of each embedder in tables of their own, inside transactions of the caller.

`index_bits_N` holds one bit a dimension and is gone through for each question; `index_vectors_N`
holds the whole vectors, to order what the bits found; `index_pending_N` names the chunks that have
no vector yet. N is the embedder's number in `index_embedders`. Triggers keep all three in step with
`index_chunks`, so that what is deleted there is gone everywhere. sqlite-vec overwrites a deleted
row's bits with zeros; `secure_delete` does so for the rest.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import apsw
import msgspec

VECTORS_IN_BLOCK = 1024
"""Rows whose bits lie together in one blob of sqlite-vec; a multiple of 8."""

NEAREST = 16
MARGIN_BITS = 16
CANDIDATES_MOST = 500
"""Bits only guess at nearness: a chunk among the 10 nearest may lie farther by bits than others. What is
up to 16 bits farther than the 16th is looked at whole; docs/benchmarks.md has the recall of other values."""

CACHE_SMALLEST_BYTES = 1 << 20
CACHE_LARGEST_BYTES = 128 << 20


class VectorTable(NamedTuple):
    """The tables of one embedder."""

    number: int
    name: str
    dimensions: int


def table_named(db: apsw.Connection, name: str) -> VectorTable | None:
    """Return the tables of the embedder called `name`, or None."""
    query = "SELECT id, name, dimensions FROM index_embedders WHERE name = ?"
    return _table(db.execute(query, (name,)).fetchone())


def active_table(db: apsw.Connection) -> VectorTable | None:
    """Return the tables that are searched, or None before the first vector."""
    return _table(db.execute("SELECT id, name, dimensions FROM index_embedders WHERE active").fetchone())


def _table(row: Any) -> VectorTable | None:
    return None if row is None else VectorTable(*row)


def ensure_table(db: apsw.Connection, name: str, dimensions: int) -> VectorTable:
    """Return the tables of an embedder, made now when there are none; all chunks are then pending.

    The first embedder is active at once; a later one becomes so when its last vector is there.
    """
    found = table_named(db, name)
    if found is not None and found.dimensions == dimensions:
        return found
    if found is not None:
        drop_table(db, found)
    db.execute(
        "INSERT INTO index_embedders(name, dimensions, active, created_at) "
        "VALUES(?, ?, NOT EXISTS(SELECT 1 FROM index_embedders WHERE active), ?)",
        (name, dimensions, time.time()),
    )
    table = VectorTable(db.last_insert_rowid(), name, dimensions)
    _create(db, table)
    return table


def _create(db: apsw.Connection, table: VectorTable) -> None:
    n = table.number
    db.execute(
        f"""
        CREATE VIRTUAL TABLE index_bits_{n} USING vec0(
            space INTEGER PARTITION KEY, bits BIT[{table.dimensions}], chunk_size={VECTORS_IN_BLOCK}
        );
        CREATE TABLE index_vectors_{n}(chunk INTEGER PRIMARY KEY, vector BLOB NOT NULL) STRICT;
        CREATE TABLE index_pending_{n}(chunk INTEGER PRIMARY KEY) STRICT;
        CREATE TRIGGER index_vector_wanted_{n} AFTER INSERT ON index_chunks BEGIN
            INSERT INTO index_pending_{n} VALUES(new.id);
        END;
        CREATE TRIGGER index_vector_removed_{n} AFTER DELETE ON index_chunks BEGIN
            DELETE FROM index_pending_{n} WHERE chunk = old.id;
            DELETE FROM index_bits_{n} WHERE rowid = old.id;
            DELETE FROM index_vectors_{n} WHERE chunk = old.id;
        END;
        INSERT INTO index_pending_{n} SELECT id FROM index_chunks;
        """  # noqa: S608 - numbers of ours
    )


def drop_table(db: apsw.Connection, table: VectorTable) -> None:
    """Drop the tables of an embedder that is no longer used."""
    n = table.number
    db.execute(
        f"""
        DROP TRIGGER index_vector_wanted_{n};
        DROP TRIGGER index_vector_removed_{n};
        DROP TABLE index_bits_{n};
        DROP TABLE index_vectors_{n};
        DROP TABLE index_pending_{n};
        DELETE FROM index_embedders WHERE id = {n};
        """  # noqa: S608 - numbers of ours
    )


def activate(db: apsw.Connection, table: VectorTable) -> list[VectorTable]:
    """Search these vectors from now on; return the other embedders' tables, to be dropped."""
    db.execute("UPDATE index_embedders SET active = (id = ?)", (table.number,))
    others = db.execute("SELECT id, name, dimensions FROM index_embedders WHERE NOT active")
    return [VectorTable(int(number), str(name), int(size)) for number, name, size in others]


def pending(db: apsw.Connection, table: VectorTable, limit: int, after: int = 0) -> list[tuple[int, str]]:
    """Return up to `limit` chunks without a vector, oldest first, as (chunk, text); those past `after`."""
    query = f"""
        SELECT chunk, text FROM index_pending_{table.number} JOIN index_chunks ON id = chunk
        WHERE chunk > ? ORDER BY chunk LIMIT ?
    """  # noqa: S608 - a number of ours
    return [(int(chunk), str(text)) for chunk, text in db.execute(query, (after, limit))]


def store_vectors(db: apsw.Connection, table: VectorTable, vectors: Iterable[tuple[int, bytes]]) -> int:
    """Store vectors of chunks that wait for one; chunks that are gone meanwhile are passed over."""
    n, stored = table.number, 0
    taken = f"DELETE FROM index_pending_{n} WHERE chunk = ?"  # noqa: S608
    bits = f"""
        INSERT INTO index_bits_{n}(rowid, space, bits)
        SELECT c.id, i.space, vec_quantize_binary(?2) FROM index_chunks c JOIN index_items i ON i.id = c.item
        WHERE c.id = ?1
    """  # noqa: S608
    for chunk, vector in vectors:
        db.execute(taken, (chunk,))
        if db.changes():
            db.execute(bits, (chunk, vector))
            db.execute(f"INSERT INTO index_vectors_{n}(chunk, vector) VALUES(?, ?)", (chunk, vector))
            stored += 1
    return stored


def nearest_by_bits(
    db: apsw.Connection, table: VectorTable, vector: bytes, *, spaces: Iterable[int], chosen: str | None
) -> list[int]:
    """Return the chunks whose bits are near to those of `vector`, of each space, in no order that matters.

    `chosen` is a query for the ids that may be found, without a parameter, or None for all.
    """
    query = f"""
        SELECT rowid, distance FROM index_bits_{table.number}
        WHERE bits MATCH vec_quantize_binary(?) AND space = ? AND k = ?
        {f"AND rowid IN ({chosen})" if chosen else ""}
    """  # noqa: S608
    return [chunk for space in spaces for chunk in _near(db, query, (vector, space))]


def _near(db: apsw.Connection, query: str, asked: tuple[bytes, int]) -> list[int]:
    """Return the nearest few and whatever is hardly farther away.

    vec0 takes the best `k` of a block by going through the block k times, and stops where nothing
    within a given distance is left: so a few are taken first, and the many by their distance.
    """
    nearest: list[Any] = db.execute(query, (*asked, NEAREST)).fetchall()
    if len(nearest) == NEAREST:
        farthest = nearest[-1][1] + MARGIN_BITS
        nearest = db.execute(f"{query} AND distance <= ?", (*asked, CANDIDATES_MOST, farthest)).fetchall()
    return [chunk for chunk, _ in nearest]


def similarities(
    db: apsw.Connection, table: VectorTable, vector: bytes, chunks: Sequence[int]
) -> dict[int, float]:
    """Return the cosine similarity (-1 to 1) of each chunk that has a vector to `vector`."""
    query = f"""
        SELECT chunk, 1 - vec_distance_cosine(vector, ?) FROM index_vectors_{table.number}
        WHERE chunk IN (SELECT value FROM json_each(?))
    """  # noqa: S608
    rows = db.execute(query, (vector, msgspec.json.encode(sorted(chunks)).decode()))
    return {int(chunk): float(similarity) for chunk, similarity in rows}


def fit_cache(db: apsw.Connection, table: VectorTable) -> None:
    """Let this connection keep what each question goes through: all bits, and the pages around them.

    Decrypting them anew each time would cost more than comparing them.
    """
    largest = db.execute("SELECT coalesce(max(id), 0) FROM index_chunks").get
    wanted = int(largest) * (table.dimensions // 8 + 16) * 5 // 4 + (8 << 20)
    size = min(max(wanted, CACHE_SMALLEST_BYTES), CACHE_LARGEST_BYTES)
    db.pragma("cache_size", -(size // 1024))
