"""Paired browsers and programs with tokens: who is recognised, in whose name, and until when."""

from __future__ import annotations

import json
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Literal

import apsw

from edge_assistant.errors import EdgeError, StoreError, UsageError
from edge_assistant.people.person import PROGRAM_SCOPES, Device, Scope, SignIn
from edge_assistant.people.secret import digest, new_secret, plain
from edge_assistant.people.users import count_rows, find_user
from edge_assistant.store.database import Database

logger = logging.getLogger(__name__)

SIGN_IN_SECONDS = 180 * 86_400
"""A browser that was not seen for so long is signed out."""

SEEN_SECONDS = 3_600
"""How exactly it is known when a device was last seen: a write an hour, not one a request."""

MAX_DEVICES = 200
MAX_CACHED = 256
MAX_NAME = 80

TOKEN_PREFIX = "edge-"  # noqa: S105 - so that a token that leaked is recognised as one
Kind = Literal["browser", "program"]

_COLUMNS = "id, user, kind, name, scopes, created_at, last_seen_at, expires_at"


class Devices:
    """Recognises devices by their secrets, lists and revokes them. `clock` gives UNIX seconds."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock
        self._cache: OrderedDict[bytes, SignIn] = OrderedDict()
        self._changes = 0

    async def add_program(
        self, user_id: str, name: str, scopes: Sequence[Scope] = PROGRAM_SCOPES
    ) -> tuple[Device, str]:
        """Return a new program of a person and its token, a secret that is shown only now.

        Raises USER_NOT_FOUND, DEVICE_NAME_EMPTY, DEVICES_FULL.
        """
        if not plain(name, MAX_NAME):
            raise UsageError("DEVICE_NAME_EMPTY", "a token needs a name, so that you can revoke it later")
        secret, now = new_secret(TOKEN_PREFIX), self._clock()
        device = await self._database.write(
            lambda db: insert_device(
                db,
                token_hash=digest(secret),
                user_id=user_id,
                kind="program",
                name=name,
                scopes=scopes,
                now=now,
            )
        )
        logger.info("a program got a token: %s", device.id)
        return device, secret

    async def find(self, secret: str, kind: Kind = "browser") -> SignIn | None:
        """Return the device that a secret belongs to, or None when there is none (any more)."""
        token_hash = digest(secret)
        sign_in, changes = self._cache.get(token_hash), self._changes
        if sign_in is None:
            sign_in = await self._database.read(lambda db: _select(db, token_hash))
            if changes != self._changes:  # something was revoked while we read: the row may be gone
                return await self.find(secret, kind)
        now = self._clock()
        if sign_in is None or sign_in.kind != kind or (sign_in.expires_at or now + 1) <= now:
            return None
        self._remember(sign_in)
        if now - sign_in.last_seen_at >= SEEN_SECONDS:
            await self._note_seen(sign_in, now)
        return sign_in

    async def list(self, user_id: str | None = None) -> list[Device]:
        """Return the devices of a person or of everybody, the last seen first."""
        query = (
            f"SELECT {_COLUMNS} FROM devices WHERE ?1 IS NULL OR user = ?1"  # noqa: S608 - constants
            " ORDER BY last_seen_at DESC, created_at DESC"
        )
        rows = await self._database.read(lambda db: db.execute(query, (user_id,)).fetchall())
        return [_device(row) for row in rows]

    async def revoke(self, device_id: str, user_id: str | None = None) -> Device:
        """End a device, one of `user_id` when given; raises DEVICE_NOT_FOUND."""

        def work(db: apsw.Connection) -> Device:
            query = f"DELETE FROM devices WHERE id = ?1 AND (?2 IS NULL OR user = ?2) RETURNING {_COLUMNS}"  # noqa: S608
            rows = db.execute(query, (device_id.encode(errors="replace").decode(), user_id)).fetchall()
            if not rows:
                raise EdgeError("DEVICE_NOT_FOUND", "there is no such device, or it was revoked already")
            return _device(rows[0])

        device = await self._database.write(work)
        self.forget()
        logger.info("a device was revoked: %s", device.id)
        return device

    def forget(self) -> None:
        """Look everything up again: rights changed."""
        self._changes += 1
        self._cache.clear()

    def _remember(self, sign_in: SignIn) -> None:
        self._cache[sign_in.token_hash] = sign_in
        self._cache.move_to_end(sign_in.token_hash)
        if len(self._cache) > MAX_CACHED:
            self._cache.popitem(last=False)

    async def _note_seen(self, sign_in: SignIn, now: float) -> None:
        sign_in.last_seen_at = now
        if sign_in.expires_at is not None:
            sign_in.expires_at = now + SIGN_IN_SECONDS
        values = (now, sign_in.expires_at, sign_in.device)
        statement = "UPDATE devices SET last_seen_at = ?, expires_at = ? WHERE id = ?"
        try:
            await self._database.write(lambda db: db.execute(statement, values).fetchall())
        except StoreError as error:  # a full disk must not lock people out
            logger.warning("can't note a device as seen: %s", error.code)


def insert_device(
    db: apsw.Connection,
    *,
    token_hash: bytes,
    user_id: str,
    kind: Kind,
    name: str,
    now: float,
    scopes: Sequence[Scope] = (),
) -> Device:
    """Add a device inside the caller's transaction; beyond the most, the browser unseen longest ends."""
    find_user(db, user_id)
    if count_rows(db, "devices") >= MAX_DEVICES:
        db.execute(
            "DELETE FROM devices WHERE id = (SELECT id FROM devices WHERE kind = 'browser'"
            " ORDER BY last_seen_at, created_at LIMIT 1)"
        )
        if not db.changes():
            raise UsageError("DEVICES_FULL", f"there are {MAX_DEVICES} tokens already: revoke some first")
    expires_at = now + SIGN_IN_SECONDS if kind == "browser" else None
    rows = db.execute(
        "INSERT INTO devices(id, user, kind, name, scopes, token_hash, created_at, last_seen_at, expires_at)"
        f" VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING {_COLUMNS}",
        (
            secrets.token_hex(8), user_id, kind, plain(name, MAX_NAME), json.dumps(list(scopes)),
            token_hash, now, now, expires_at,
        ),
    ).fetchall()  # fmt: skip
    return _device(rows[0])


def _device(row: Sequence[Any]) -> Device:
    device_id, user, kind, name, scopes, created_at, last_seen_at, expires_at = row
    return Device(
        id=device_id,
        user=user,
        kind=kind,
        name=name,
        scopes=tuple(json.loads(scopes)),
        created_at=created_at,
        last_seen_at=last_seen_at,
        expires_at=expires_at,
    )


def _select(db: apsw.Connection, token_hash: bytes) -> SignIn | None:
    row = db.execute(
        "SELECT devices.id, user, role, kind, scopes, last_seen_at, expires_at"
        " FROM devices JOIN users ON users.id = devices.user WHERE token_hash = ?",
        (token_hash,),
    ).fetchone()
    if row is None:
        return None
    device, user, role, kind, scopes, last_seen_at, expires_at = row
    return SignIn(
        device, user, role, kind, frozenset(json.loads(scopes)), token_hash, last_seen_at, expires_at
    )
