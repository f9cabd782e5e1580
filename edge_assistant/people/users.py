"""The people of this household in the encrypted store."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Sequence
from typing import Any, Literal, cast

import apsw

from edge_assistant.errors import EdgeError, UsageError
from edge_assistant.people.person import HOUSEHOLD_ID, OWNER_ID, Role, User
from edge_assistant.people.secret import plain
from edge_assistant.store.database import Database

MAX_USERS = 64
MAX_NAME = 60

_COLUMNS = "id, name, role, created_at"


class Users:
    """Adds, names, promotes and removes people. The owner of the device is always there."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self) -> list[User]:
        """Return everybody, the owner first, then in the order in which they came."""
        query = f"SELECT {_COLUMNS} FROM users ORDER BY id <> ?, created_at, id"  # noqa: S608 - constants
        rows = await self._database.read(lambda db: db.execute(query, (OWNER_ID,)).fetchall())
        return [_user(row) for row in rows]

    async def get(self, user_id: str) -> User:
        """Return one person; raises USER_NOT_FOUND."""
        return await self._database.read(lambda db: find_user(db, user_id))

    async def add(self, name: str, role: Role) -> User:
        """Add a person under an id made from the name; raises USER_NAME_EMPTY, USERS_FULL.

        The id ends in random letters: whoever comes later never gets the id of somebody who left.
        """
        clean = _clean(name)
        user = User(id=_new_id(clean), name=clean, role=role, created_at=time.time())

        def work(db: apsw.Connection) -> None:
            if count_rows(db, "users") >= MAX_USERS:
                raise UsageError("USERS_FULL", f"there are {MAX_USERS} people already: remove one first")
            values = (user.id, user.name, user.role, user.created_at)
            db.execute(f"INSERT INTO users({_COLUMNS}) VALUES(?, ?, ?, ?)", values)

        await self._database.write(work)
        return user

    async def change(self, user_id: str, name: str | None = None, role: Role | None = None) -> User:
        """Give a person another name or role; raises USER_NOT_FOUND, USER_NAME_EMPTY, USER_IS_OWNER."""
        clean = None if name is None else _clean(name)
        if role is not None and role != "owner":
            _refuse_owner(user_id)

        def work(db: apsw.Connection) -> User:
            find_user(db, user_id)
            statement = "UPDATE users SET name = coalesce(?, name), role = coalesce(?, role) WHERE id = ?"
            db.execute(statement, (clean, role, user_id))
            return find_user(db, user_id)

        return await self._database.write(work)

    async def remove(self, user_id: str) -> None:
        """Remove a person with their devices; raises USER_NOT_FOUND, USER_IS_OWNER.

        What they said is the business of the rooms that keep it.
        """
        _refuse_owner(user_id)

        def work(db: apsw.Connection) -> None:
            find_user(db, user_id)
            db.execute("DELETE FROM users WHERE id = ?", (user_id,))

        await self._database.write(work)
        await self._database.checkpoint()


def count_rows(db: apsw.Connection, table: Literal["users", "devices"]) -> int:
    """Return how many rows a table has."""
    rows = db.execute(f"SELECT count(*) FROM {table}").fetchall()  # noqa: S608 - a constant
    return cast(int, rows[0][0])


def find_user(db: apsw.Connection, user_id: str) -> User:
    """Return a person; raises USER_NOT_FOUND."""
    query = f"SELECT {_COLUMNS} FROM users WHERE id = ?"  # noqa: S608 - constants
    row = db.execute(query, (user_id.encode(errors="replace").decode(),)).fetchone()
    if row is None:
        raise EdgeError("USER_NOT_FOUND", "there is no such person")
    return _user(row)


def _user(row: Sequence[Any]) -> User:
    user_id, name, role, created_at = row
    return User(id=user_id, name=name, role=role, created_at=created_at)


def _clean(name: str) -> str:
    clean = plain(name, MAX_NAME)
    if not clean:
        raise UsageError("USER_NAME_EMPTY", "a name needs a visible character")
    return clean


def _new_id(name: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:32] or HOUSEHOLD_ID
    return f"{slug}-{secrets.token_hex(3)}"


def _refuse_owner(user_id: str) -> None:
    if user_id == OWNER_ID:
        raise UsageError("USER_IS_OWNER", "the owner of the device stays its owner")
