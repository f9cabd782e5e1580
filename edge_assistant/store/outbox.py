"""What must arrive elsewhere: kept until its receiver says that it was carried out, or it expires.

A broker's acknowledgement is no proof: Mosquitto keeps messages in memory and loses them when it dies.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any

import apsw
import msgspec

from edge_assistant.errors import StoreError
from edge_assistant.store.database import Database
from edge_assistant.store.erase import EraseHook, Person, Subject, Topic

MOST = 10_000
"""Letters that may wait; more are refused."""

LARGEST_BYTES = 64 * 1024


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """Something on its way. Times are UNIX seconds."""

    id: str
    principal: str
    """In whose name it was sent."""
    topic: str
    payload: bytes
    created_at: float
    expires_at: float


class Outbox:
    """Letters in the store, the oldest first."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    async def add(
        self, topic: str, payload: bytes, *, principal: str, lasts_seconds: float, letter_id: str = ""
    ) -> Letter:
        """Keep a letter durably; one of the same id stays as it was.

        Raises OUTBOX_FULL, LETTER_TOO_LARGE.
        """
        if len(payload) > LARGEST_BYTES:
            raise StoreError("LETTER_TOO_LARGE", f"a message has at most {LARGEST_BYTES:,} bytes")
        now = self._clock()
        letter = Letter(
            id=letter_id or secrets.token_hex(16), principal=principal, topic=topic, payload=payload,
            created_at=now, expires_at=now + lasts_seconds,
        )  # fmt: skip

        def work(db: apsw.Connection) -> None:
            db.execute("DELETE FROM outbox WHERE expires_at <= ?", (now,))
            if int(db.execute("SELECT count(*) FROM outbox").get) >= MOST:
                raise StoreError("OUTBOX_FULL", "too many messages wait to be delivered", retry_after=60.0)
            db.execute(
                "INSERT OR IGNORE INTO outbox VALUES(?, ?, ?, ?, ?, ?)", msgspec.structs.astuple(letter)
            )

        await self._database.write(work)
        return letter

    async def waiting(self, limit: int = 100, after: tuple[float, str] = (0.0, "")) -> list[Letter]:
        """Return letters that are not delivered and still matter, after one of these times and ids."""
        now = self._clock()

        def work(db: apsw.Connection) -> list[Letter]:
            rows = db.execute(
                "SELECT id, principal, topic, payload, created_at, expires_at FROM outbox"
                " WHERE expires_at > ? AND (created_at, id) > (?, ?) ORDER BY created_at, id LIMIT ?",
                (now, *after, limit),
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
        case _:
            return 0


def _text(payload: Any) -> str:
    return bytes(payload).decode(errors="replace")
