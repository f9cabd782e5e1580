"""Who is signed in: cookies of browsers, kept hashed in the database."""

from __future__ import annotations

import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable

import apsw
import msgspec

from edge_assistant.assistant.request import OWNER, Principal
from edge_assistant.errors import StoreError
from edge_assistant.frontends.web.links import Links, digest
from edge_assistant.store.database import Database

logger = logging.getLogger(__name__)

SIGN_IN_SECONDS = 180 * 86_400
SEEN_SECONDS = 3_600
"""How exactly it is known when a browser was last seen: a write an hour, not one a request."""

MAX_SIGN_INS = 200
MAX_CACHED = 256
MAX_LABEL = 80


class SignIn(msgspec.Struct):
    """One signed-in browser. Times are Unix seconds."""

    token_hash: bytes
    principal: Principal
    last_seen_at: int
    expires_at: int


class SignIns:
    """Makes one-time links, turns them into sign-ins, and recognises those again.

    `clock` gives Unix seconds, `steady` seconds that never jump: a wrong clock at start-up, usual on
    a device without a battery, must not end or prolong a link.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._clock = clock
        self._steady = steady
        self._links = Links()
        self._cache: OrderedDict[bytes, SignIn] = OrderedDict()
        self._ended = 0

    def new_link_token(self) -> str:
        """Return a token for one sign-in within ten minutes. It is a secret: never log it."""
        return self._links.new(self._steady())

    async def redeem(self, token: str, label: str = "") -> str:
        """Use a link's token and return the secret of a new sign-in, for a cookie.

        Raises `ForbiddenError`, `ThrottledError`, or `StoreError` when it can't be stored.
        """
        expiry = self._links.use(token, self._steady())
        secret, now = secrets.token_urlsafe(32), int(self._clock())
        row = (digest(secret), now, _plain(label))
        try:
            await self._database.write(lambda db: _insert(db, *row))
        except StoreError:
            self._links.give_back(token, expiry)
            raise
        logger.info("a browser signed in")
        return secret

    async def find(self, secret: str) -> SignIn | None:
        """Return the sign-in that a cookie belongs to, or None when there is none (any more)."""
        token_hash = digest(secret)
        sign_in, ended = self._cache.get(token_hash), self._ended
        if sign_in is None:
            sign_in = await self._database.read(lambda db: _select(db, token_hash))
            if ended != self._ended:  # somebody signed out while we read: the row may be gone
                return await self.find(secret)
        now = int(self._clock())
        if sign_in is None or sign_in.expires_at <= now:
            self._cache.pop(token_hash, None)
            return None
        self._remember(sign_in)
        if now - sign_in.last_seen_at >= SEEN_SECONDS:
            await self._note_seen(sign_in, now)
        return sign_in

    async def end(self, sign_in: SignIn) -> None:
        """Sign the browser out."""
        statement = "DELETE FROM sign_ins WHERE token_hash = ?"
        await self._database.write(lambda db: db.execute(statement, (sign_in.token_hash,)).fetchall())
        self._cache.pop(sign_in.token_hash, None)
        self._ended += 1

    def _remember(self, sign_in: SignIn) -> None:
        self._cache[sign_in.token_hash] = sign_in
        self._cache.move_to_end(sign_in.token_hash)
        if len(self._cache) > MAX_CACHED:
            self._cache.popitem(last=False)

    async def _note_seen(self, sign_in: SignIn, now: int) -> None:
        sign_in.last_seen_at = now
        statement = "UPDATE sign_ins SET last_seen_at = ? WHERE token_hash = ?"
        try:
            await self._database.write(lambda db: db.execute(statement, (now, sign_in.token_hash)).fetchall())
        except StoreError as error:  # a full disk must not lock people out
            logger.warning("can't note a sign-in as seen: %s", error.code)


def _plain(label: str) -> str:
    """Return a header's value in characters that can be stored and shown anywhere."""
    return label[:MAX_LABEL].encode("ascii", "replace").decode()


def _insert(connection: apsw.Connection, token_hash: bytes, now: int, label: str) -> None:
    connection.execute(
        "INSERT INTO sign_ins(token_hash, principal, created_at, last_seen_at, expires_at, label)"
        " VALUES(?, ?, ?, ?, ?, ?)",
        (token_hash, OWNER.id, now, now, now + SIGN_IN_SECONDS, label),
    )
    connection.execute(
        "DELETE FROM sign_ins WHERE expires_at <= ? OR token_hash NOT IN"
        " (SELECT token_hash FROM sign_ins ORDER BY last_seen_at DESC, created_at DESC LIMIT ?)",
        (now, MAX_SIGN_INS),
    )


def _select(connection: apsw.Connection, token_hash: bytes) -> SignIn | None:
    row = connection.execute(
        "SELECT principal, last_seen_at, expires_at FROM sign_ins WHERE token_hash = ?", (token_hash,)
    ).fetchone()
    if row is None:
        return None
    principal, last_seen_at, expires_at = row
    role = "owner" if principal == OWNER.id else "member"
    return SignIn(token_hash, Principal(principal, role), int(last_seen_at), int(expires_at))
