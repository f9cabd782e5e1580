"""Shopping and other lists, which those who live here share."""

from __future__ import annotations

import time

import apsw
import msgspec

from edge_assistant.errors import EdgeError, UsageError
from edge_assistant.people.person import HOUSEHOLD_ID, Principal
from edge_assistant.store.database import Database

MOST_LISTS = 100
MOST_ITEMS = 1_000
LONGEST = 200
"""Characters of an item; a name of a list is half as long at most."""

SUFFIXES = (" list", " liste", "-list", "sliste", "liste")
"""`shopping list` and `shopping` are the same one."""


class Items(msgspec.Struct, frozen=True, kw_only=True):
    """A list as it is now, the oldest item first."""

    name: str
    items: tuple[str, ...]


class Lists:
    """The lists of the household, and those of each guest."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, principal: Principal, name: str, texts: list[str]) -> list[str]:
        """Put items on a list, which is made when it isn't there; return those that weren't on it yet.

        Raises LIST_BAD, LISTS_FULL.
        """
        owner, shown = _owner(principal), _clean(name, LONGEST // 2)
        items = [_clean(text, LONGEST) for text in texts]
        now = time.time()

        def work(db: apsw.Connection) -> list[str]:
            list_id = _find(db, owner, shown) or _make(db, owner, shown)
            count = db.execute("SELECT count(*) FROM list_items WHERE list = ?", (list_id,)).get
            if count + len(items) > MOST_ITEMS:
                raise EdgeError("LISTS_FULL", f"a list has at most {MOST_ITEMS} items: take some off first")
            return [text for text in items if _add(db, list_id, text, now)]

        return await self._database.write(work)

    async def remove(self, principal: Principal, name: str, texts: list[str]) -> list[str]:
        """Take items off a list and return those that were on it; raises LIST_NOT_FOUND."""
        owner, shown = _owner(principal), _clean(name, LONGEST // 2)
        keys = [_key(text) for text in texts]

        def work(db: apsw.Connection) -> list[str]:
            list_id = _found(db, owner, shown)
            removed: list[str] = []
            for key in keys:
                removed += _column(
                    db, "DELETE FROM list_items WHERE list = ? AND key = ? RETURNING text", (list_id, key)
                )
            return removed

        return await self._database.write(work)

    async def clear(self, principal: Principal, name: str) -> list[str]:
        """Empty a list and return what was on it; raises LIST_NOT_FOUND."""
        owner, shown = _owner(principal), _clean(name, LONGEST // 2)

        def work(db: apsw.Connection) -> list[str]:
            list_id = _found(db, owner, shown)
            texts = _column(db, "SELECT text FROM list_items WHERE list = ? ORDER BY id", (list_id,))
            db.execute("DELETE FROM lists WHERE id = ?", (list_id,))
            return texts

        return await self._database.write(work)

    async def all(self, principal: Principal) -> list[Items]:
        """Return every list that a person sees."""
        owner = _owner(principal)

        def work(db: apsw.Connection) -> list[Items]:
            found = db.execute(
                "SELECT id, name FROM lists WHERE principal = ? ORDER BY name", (owner,)
            ).fetchall()
            query = "SELECT text FROM list_items WHERE list = ? ORDER BY id"
            return [Items(name=str(name), items=tuple(_column(db, query, (i,)))) for i, name in found]

        return await self._database.read(work)

    async def show(self, principal: Principal, name: str) -> Items:
        """Return one list; raises LIST_NOT_FOUND."""
        shown = _clean(name, LONGEST // 2)
        for each in await self.all(principal):
            if _list_key(each.name) == _list_key(shown):
                return each
        raise _unknown(shown)


def _owner(principal: Principal) -> str:
    return principal.id if principal.role == "guest" else HOUSEHOLD_ID


def _find(db: apsw.Connection, owner: str, name: str) -> int | None:
    row = db.execute(
        "SELECT id FROM lists WHERE principal = ? AND key = ?", (owner, _list_key(name))
    ).fetchone()
    return int(row[0]) if row else None


def _found(db: apsw.Connection, owner: str, name: str) -> int:
    list_id = _find(db, owner, name)
    if list_id is None:
        raise _unknown(name)
    return list_id


def _make(db: apsw.Connection, owner: str, name: str) -> int:
    count = db.execute("SELECT count(*) FROM lists WHERE principal = ?", (owner,)).get
    if count >= MOST_LISTS:
        raise EdgeError("LISTS_FULL", f"there are {MOST_LISTS} lists: empty some first")
    db.execute("INSERT INTO lists(principal, name, key) VALUES(?, ?, ?)", (owner, name, _list_key(name)))
    return int(db.last_insert_rowid())


def _add(db: apsw.Connection, list_id: int, text: str, now: float) -> bool:
    db.execute(
        "INSERT OR IGNORE INTO list_items(list, text, key, created_at) VALUES(?, ?, ?, ?)",
        (list_id, text, _key(text), now),
    )
    return db.changes() > 0


def _column(db: apsw.Connection, query: str, values: tuple[object, ...]) -> list[str]:
    return [str(row[0]) for row in db.execute(query, values)]


def _clean(text: str, longest: int) -> str:
    text = " ".join("".join(c for c in text if c.isprintable() or c.isspace()).split())
    if not text or len(text) > longest:
        raise UsageError("LIST_BAD", f"a list and its items have names of 1 to {longest} characters")
    return text


def _key(text: str) -> str:
    return " ".join(text.split()).casefold()


def _list_key(name: str) -> str:
    key = _key(name)
    suffix = next((s for s in SUFFIXES if key.endswith(s) and len(key) > len(s)), "")
    return key.removesuffix(suffix).strip() or key


def _unknown(name: str) -> UsageError:
    return UsageError("LIST_NOT_FOUND", f"there is no list called {name}")
