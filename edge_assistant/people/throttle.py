"""Counts failures in the store: after too many, everybody waits, also across a restart."""

from __future__ import annotations

import apsw
import msgspec

from edge_assistant.errors import ThrottledError
from edge_assistant.people.uptime import Moment
from edge_assistant.store.database import Database

MAX_FAILURES = 10
WINDOW_SECONDS = 60.0


class _Window(msgspec.Struct):
    failures: int = 0
    began: Moment = Moment("", 0.0)


class Throttle:
    """At most ten failures a minute under one name. Refusing costs no access to the disk."""

    def __init__(self, database: Database, name: str) -> None:
        self._database = database
        self._name = name
        self._window: _Window | None = None
        """What the store has; None until it was read."""

    async def check(self, now: Moment) -> None:
        """Raise `ThrottledError` when there were too many failures; `retry_after` says for how long."""
        if self._window is None:
            self._window = await self._database.read(self._read)
        left = self._left(self._window, now)
        if self._window.failures >= MAX_FAILURES and left > 0:
            raise ThrottledError(
                "SIGN_IN_THROTTLED", "too many failed attempts: wait a moment", retry_after=round(left, 1)
            )

    def count(self, db: apsw.Connection, now: Moment) -> None:
        """Count one failure inside the caller's transaction."""
        window = self._read(db)
        if self._left(window, now) <= 0:
            window = _Window(0, now)
        window.failures += 1
        db.execute(
            "INSERT INTO throttles(name, failures, boot, began) VALUES(?, ?, ?, ?) ON CONFLICT(name)"
            " DO UPDATE SET failures = excluded.failures, boot = excluded.boot, began = excluded.began",
            (self._name, window.failures, window.began.boot, window.began.seconds),
        )

    def reread(self) -> None:
        """Take note that the store has changed."""
        self._window = None

    def _read(self, db: apsw.Connection) -> _Window:
        query = "SELECT failures, boot, began FROM throttles WHERE name = ?"
        row = db.execute(query, (self._name,)).fetchone()
        return _Window(row[0], Moment(row[1], row[2])) if row else _Window()

    def _left(self, window: _Window, now: Moment) -> float:
        """Return how long the window lasts; one of an earlier start of the machine counts from this start."""
        began = window.began.seconds if window.began.boot == now.boot else 0.0
        return began + WINDOW_SECONDS - now.seconds if window.failures else 0.0
