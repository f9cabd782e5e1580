"""What must arrive elsewhere: kept until its receiver says that it was carried out, or it expires.

A broker's acknowledgement is no proof: Mosquitto keeps messages in memory and loses them when it dies.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from typing import Any

import apsw
import msgspec

from edge_assistant.errors import StoreError
from edge_assistant.store.database import Database
from edge_assistant.store.erase import EraseHook, Person, Sessions, Subject, Topic

logger = logging.getLogger(__name__)

MOST = 10_000
"""Letters that may wait. For one more the oldest that can be deferred goes; without any, it is refused."""

HOME = "home"
"""The lane of the home's broker; each lane has a connection of its own and sees its own letters only."""

LARGEST_BYTES = 64 * 1024

_COLUMNS = "id, principal, topic, payload, created_at, expires_at, lane, can_wait"


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """Something on its way. Times are UNIX seconds."""

    id: str
    principal: str
    """In whose name it was sent."""
    topic: str
    payload: bytes
    created_at: float
    expires_at: float


class _InSession(msgspec.Struct):
    session: str = ""


class Outbox:
    """Letters of one lane in the store, the oldest first."""

    def __init__(
        self, database: Database, *, lane: str = HOME, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._lane = lane
        self._clock = clock
        self.gave_way = 0
        """Letters that went unsent because the outbox was full."""

    async def add(
        self,
        topic: str,
        payload: bytes,
        *,
        principal: str,
        lasts_seconds: float,
        letter_id: str = "",
        deferrable: bool = False,
    ) -> Letter:
        """Keep a letter durably; one of the same id stays as it was.

        With `deferrable` it may give way, unsent, to one that comes when the outbox is full.
        Raises OUTBOX_FULL, LETTER_TOO_LARGE.
        """
        if len(payload) > LARGEST_BYTES:
            raise StoreError("LETTER_TOO_LARGE", f"a message has at most {LARGEST_BYTES:,} bytes")
        now = self._clock()
        letter = Letter(
            id=letter_id or secrets.token_hex(16), principal=principal, topic=topic, payload=payload,
            created_at=now, expires_at=now + lasts_seconds,
        )  # fmt: skip

        def work(db: apsw.Connection) -> bool:
            db.execute("DELETE FROM outbox WHERE expires_at <= ?", (now,))
            full = int(db.execute("SELECT count(*) FROM outbox").get) >= MOST
            if full and not _make_room(db):
                raise StoreError("OUTBOX_FULL", "too many messages wait to be delivered", retry_after=60.0)
            row = (*msgspec.structs.astuple(letter), self._lane, int(deferrable))
            db.execute(f"INSERT OR IGNORE INTO outbox({_COLUMNS}) VALUES(?, ?, ?, ?, ?, ?, ?, ?)", row)
            return full

        if await self._database.write(work):
            self.gave_way += 1
            logger.warning("the outbox is full: the oldest message that could wait was dropped unsent")
        return letter

    async def waiting(self, limit: int = 100, after: tuple[float, str] = (0.0, "")) -> list[Letter]:
        """Return letters that are not delivered and still matter, after one of these times and ids."""
        now = self._clock()

        def work(db: apsw.Connection) -> list[Letter]:
            rows = db.execute(
                "SELECT id, principal, topic, payload, created_at, expires_at FROM outbox"
                " WHERE lane = ? AND expires_at > ? AND (created_at, id) > (?, ?)"
                " ORDER BY created_at, id LIMIT ?",
                (self._lane, now, *after, limit),
            )
            fields = Letter.__struct_fields__
            return [Letter(**dict(zip(fields, row, strict=True))) for row in rows]

        return await self._database.read(work)

    async def acknowledge(self, letter_id: str) -> bool:
        """Take that a letter was carried out; False when it isn't here (any more)."""

        def work(db: apsw.Connection) -> bool:
            db.execute("DELETE FROM outbox WHERE id = ?", (letter_id,))
            return db.changes() > 0

        return await self._database.write(work)


def _make_room(db: apsw.Connection) -> bool:
    """Take out the oldest letter that may give way; False when there is none."""
    oldest = "SELECT id FROM outbox WHERE can_wait ORDER BY created_at, id LIMIT 1"
    db.execute(f"DELETE FROM outbox WHERE id = ({oldest})")  # noqa: S608 - a constant
    return db.changes() > 0


def outbox_hook() -> EraseHook:
    """Return how what waits to be delivered is forgotten."""
    return EraseHook("messages to other devices", ("outbox",), _erase)


def _erase(db: apsw.Connection, subject: Subject) -> int:
    match subject:
        case Person(principal=principal):
            db.execute("DELETE FROM outbox WHERE principal = ?", (principal,))
            return db.changes()
        case Topic(principal=principal):
            rows = db.execute("SELECT id, payload FROM outbox WHERE principal = ?", (principal,)).fetchall()
            told = [row[0] for row in rows if subject.mentioned_in(_text(row[1]))]
            db.executemany("DELETE FROM outbox WHERE id = ?", [(letter,) for letter in told])
            return len(told)
        case Sessions(ids=ids):
            rows = db.execute("SELECT id, payload FROM outbox").fetchall()
            told = [row[0] for row in rows if _session(row[1]) in ids]
            db.executemany("DELETE FROM outbox WHERE id = ?", [(letter,) for letter in told])
            return len(told)
        case _:
            return 0


def _session(payload: Any) -> str:
    """Return the conversation that a letter belongs to, or empty."""
    try:
        return msgspec.json.decode(payload, type=_InSession).session
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return ""


def _text(payload: Any) -> str:
    return bytes(payload).decode(errors="replace")
