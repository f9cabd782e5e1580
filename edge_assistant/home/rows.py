"""The house in the database: what was announced, and what people call things."""

from __future__ import annotations

import apsw


def load(db: apsw.Connection) -> tuple[list[tuple[str, bytes]], dict[str, str], dict[str, tuple[str, ...]]]:
    """Return announcements by topic, ids by key, and aliases by id."""
    announced = [
        (str(topic), bytes(payload))
        for topic, payload in db.execute("SELECT topic, payload FROM home_announced")
    ]
    ids = {str(key): str(entity) for key, entity in db.execute("SELECT key, entity FROM home_ids")}
    aliases: dict[str, tuple[str, ...]] = {}
    for entity, alias in db.execute("SELECT entity, alias FROM home_aliases ORDER BY rowid"):
        aliases[str(entity)] = (*aliases.get(str(entity), ()), str(alias))
    return announced, ids, aliases


def save(db: apsw.Connection, announced: dict[str, bytes], ids: dict[str, str]) -> None:
    """Keep announcements, an empty one withdraws; and the ids of what was learnt."""
    gone = [(topic,) for topic, payload in announced.items() if not payload]
    kept = [(topic, payload) for topic, payload in announced.items() if payload]
    db.executemany("DELETE FROM home_announced WHERE topic = ?", gone)
    db.executemany("INSERT OR REPLACE INTO home_announced(topic, payload) VALUES(?, ?)", kept)
    db.executemany("INSERT OR IGNORE INTO home_ids(key, entity) VALUES(?, ?)", list(ids.items()))


def add_alias(db: apsw.Connection, entity: str, alias: str, principal: str) -> None:
    """Keep another name of an entity; it means this one only."""
    db.execute("DELETE FROM home_aliases WHERE alias = ?", (alias,))
    db.execute(
        "INSERT INTO home_aliases(entity, alias, principal) VALUES(?, ?, ?)", (entity, alias, principal)
    )


def remove_alias(db: apsw.Connection, alias: str) -> None:
    """Forget a name."""
    db.execute("DELETE FROM home_aliases WHERE alias = ?", (alias,))
