"""How a device gets in: a one-time token for a link or QR code, and six digits for those who type.

Whatever is counted is counted in the store, in the transaction that also compares: a guess is
answered only after it is on the disk, so neither a restart nor a crash gives one back. Times come
from `uptime`, so no clock can prolong them; a restart of the machine ends all pairings.
"""

from __future__ import annotations

import hmac
import logging
import re
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

import apsw
import msgspec

from edge_assistant.errors import EdgeError, ForbiddenError
from edge_assistant.people.devices import insert_device
from edge_assistant.people.person import Device
from edge_assistant.people.secret import digest, new_secret, new_token
from edge_assistant.people.throttle import Throttle
from edge_assistant.people.uptime import Moment, Uptime, uptime
from edge_assistant.people.users import find_user
from edge_assistant.store.database import Database

logger = logging.getLogger(__name__)

PAIRING_SECONDS = 600.0
MAX_TRIES = 5
"""Wrong guesses after which a code ends; its link goes on."""

MAX_PAIRINGS = 16
CODE_DIGITS = 6

_OPEN = "boot = ?1 AND ends_at > ?2 AND token_hash IS NOT NULL"


class Pairing(msgspec.Struct, frozen=True, kw_only=True):
    """A way in that was just made. `token` and `code` are secrets, shown only now; never log them."""

    id: str
    user: str
    token: str
    code: str
    """Six digits; empty when none was asked for."""
    expires_at: float
    """UNIX seconds, for showing only."""


class PairingState(msgspec.Struct, frozen=True, kw_only=True):
    """How a pairing is: whoever shows it sees when it was used."""

    id: str
    state: Literal["waiting", "paired"]
    tries_left: int
    """Guesses that the code still takes; 0 when it ended and only the link is left."""
    device: str


class Pairings:
    """Makes pairings and turns them into signed-in devices, each once."""

    def __init__(
        self, database: Database, *, clock: Callable[[], float] = time.time, uptime: Uptime = uptime
    ) -> None:
        self._database = database
        self._clock = clock
        self._uptime = uptime
        self._links = Throttle(database, "links")
        self._codes = Throttle(database, "codes")

    async def begin(self, user_id: str, *, with_code: bool = True) -> Pairing:
        """Return a pairing for a device of `user_id`; raises USER_NOT_FOUND.

        It works once, for ten minutes; beyond sixteen the oldest ends.
        """
        now = self._uptime()
        identity, token = secrets.token_hex(8), new_token()

        def work(db: apsw.Connection) -> str:
            find_user(db, user_id)
            _prune(db, now)
            code = _free_code(db) if with_code else ""
            db.execute(
                "INSERT INTO pairings(id, user, token_hash, code_hash, tries, boot, ends_at, device)"
                " VALUES(?, ?, ?, ?, 0, ?, ?, '')",
                (
                    identity, user_id, digest(token), digest(code) if code else None,
                    now.boot, now.seconds + PAIRING_SECONDS,
                ),
            )  # fmt: skip
            return code

        code = await self._database.write(work)
        expires_at = self._clock() + PAIRING_SECONDS
        return Pairing(id=identity, user=user_id, token=token, code=code, expires_at=expires_at)

    async def state(self, pairing_id: str) -> PairingState:
        """Return how a pairing is; raises PAIRING_NOT_FOUND when it ended."""
        now = self._uptime()
        query = (
            "SELECT code_hash, tries, device FROM pairings WHERE id = ? AND boot = ? AND ends_at > ?"
            " AND (token_hash IS NOT NULL OR device <> '')"
        )
        values = (_storable(pairing_id), now.boot, now.seconds)
        row = await self._database.read(lambda db: db.execute(query, values).fetchone())
        if row is None:
            raise EdgeError("PAIRING_NOT_FOUND", "this pairing ended: make a new one")
        code_hash, tries, device = row
        left = 0 if code_hash is None else MAX_TRIES - tries
        state: Literal["waiting", "paired"] = "paired" if device else "waiting"
        return PairingState(id=pairing_id, state=state, tries_left=left, device=device)

    async def end(self, pairing_id: str) -> None:
        """End a pairing that nobody needs any more."""
        statement = "DELETE FROM pairings WHERE id = ?"
        await self._database.write(lambda db: db.execute(statement, (_storable(pairing_id),)).fetchall())

    async def use_token(self, token: str, name: str = "") -> tuple[Device, str]:
        """Return the new device and its secret, for a cookie.

        A right token always works, however many wrong ones others tried: 128 bits can't be guessed.
        Raises `ForbiddenError` SIGN_IN_LINK_USED, and `ThrottledError` instead after too many.
        """
        now, wanted = self._uptime(), digest(token)
        query = f"SELECT id, user FROM pairings WHERE {_OPEN} AND token_hash = ?3"  # noqa: S608
        secret = new_secret()

        def work(db: apsw.Connection) -> Device | None:
            rows = db.execute(query, (now.boot, now.seconds, wanted)).fetchall()
            return self._pair(db, rows[0], secret, name) if rows else None

        # A wrong one is found out by a reader: whoever floods us with them holds up no writer.
        known = await self._database.read(
            lambda db: db.execute(query, (now.boot, now.seconds, wanted)).fetchone()
        )
        device = await self._database.write(work) if known else None
        if device is None:
            await self._links.check(now)
            await self._database.write(lambda db: self._links.count(db, now))
            self._links.reread()
            raise ForbiddenError(
                "SIGN_IN_LINK_USED", "this sign-in link is used, too old or wrong: get a new one"
            )
        return device, secret

    async def use_code(self, code: str, name: str = "") -> tuple[Device, str]:
        """Return the new device and its secret, for a cookie.

        A wrong guess counts against every open code, because nobody says which one is meant; five
        end a code. Raises `ForbiddenError` SIGN_IN_CODE_WRONG, `ThrottledError` after ten a minute.
        """
        now = self._uptime()
        await self._codes.check(now)
        guess, secret = digest(re.sub(r"\s", "", code)), new_secret()
        device = await self._database.write(lambda db: self._try_code(db, guess, now, secret, name))
        if device is None:
            self._codes.reread()
            raise ForbiddenError("SIGN_IN_CODE_WRONG", "this code is wrong, used or too old: get a new one")
        return device, secret

    def _try_code(
        self, db: apsw.Connection, guess: bytes, now: Moment, secret: str, name: str
    ) -> Device | None:
        query = f"SELECT id, user, code_hash FROM pairings WHERE {_OPEN} AND code_hash IS NOT NULL"  # noqa: S608
        rows: list[Any] = db.execute(query, (now.boot, now.seconds)).fetchall()
        right = [row for row in rows if hmac.compare_digest(row[2], guess)]
        if right:
            return self._pair(db, right[0], secret, name)
        db.execute("UPDATE pairings SET tries = tries + 1 WHERE code_hash IS NOT NULL")
        db.execute("UPDATE pairings SET code_hash = NULL WHERE tries >= ?", (MAX_TRIES,))
        self._codes.count(db, now)
        return None

    def _pair(self, db: apsw.Connection, row: Sequence[Any], secret: str, name: str) -> Device:
        identity, user = row[:2]
        device = insert_device(
            db, token_hash=digest(secret), user_id=user, kind="browser", name=name, now=self._clock()
        )
        statement = "UPDATE pairings SET token_hash = NULL, code_hash = NULL, device = ? WHERE id = ?"
        db.execute(statement, (device.id, identity))
        logger.info("a device was paired: %s", device.id)
        return device


def _prune(db: apsw.Connection, now: Moment) -> None:
    db.execute("DELETE FROM pairings WHERE boot <> ? OR ends_at <= ?", (now.boot, now.seconds))
    db.execute(
        "DELETE FROM pairings WHERE id NOT IN (SELECT id FROM pairings ORDER BY ends_at DESC, rowid DESC"
        " LIMIT ?)",
        (MAX_PAIRINGS - 1,),
    )


def _free_code(db: apsw.Connection) -> str:
    """Return six random digits that no other pairing has."""
    taken = {row[0] for row in db.execute("SELECT code_hash FROM pairings")}
    while True:
        code = f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}}"
        if digest(code) not in taken:
            return code


def _storable(text: str) -> str:
    return text.encode(errors="replace").decode()
