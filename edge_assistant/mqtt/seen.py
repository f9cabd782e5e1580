"""Commands that were carried out, so that one that comes again does nothing."""

from __future__ import annotations

import time
from typing import Literal

import apsw

from edge_assistant.store.database import Database

KEPT_SECONDS = 24 * 3600.0

State = Literal["new", "running", "done"]


class SeenCommands:
    """Remembers names of commands for a day, over restarts."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._running: set[str] = set()
        """Begun by this process and not ended."""

    async def begin(self, name: str) -> State:
        """Return how it stands with a command, and remember that it is begun when it is `new`.

        One that was begun before a crash and not ended is new again: who commands has no answer yet.
        """
        if name in self._running:
            return "running"
        now = time.time()

        def work(db: apsw.Connection) -> State:
            db.execute("DELETE FROM seen_commands WHERE at < ?", (now - KEPT_SECONDS,))
            done = db.execute("SELECT done FROM seen_commands WHERE name = ?", (name,)).get
            if done:
                return "done"
            db.execute("INSERT OR REPLACE INTO seen_commands(name, at, done) VALUES(?, ?, 0)", (name, now))
            return "new"

        self._running.add(name)
        state: State = "done"
        try:
            state = await self._database.write(work)
        finally:
            if state != "new":
                self._running.discard(name)
        return state

    async def end(self, name: str, *, done: bool) -> None:
        """Take that a command was carried out, or failed and may come again."""
        query = (
            "UPDATE seen_commands SET done = 1 WHERE name = ?"
            if done
            else "DELETE FROM seen_commands WHERE name = ?"
        )
        try:
            await self._database.write(lambda db: db.execute(query, (name,)).close())
        finally:
            self._running.discard(name)
