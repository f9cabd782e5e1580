"""Commands that were carried out, so that one that comes again does nothing."""

from __future__ import annotations

import time

import apsw

from edge_assistant.store.database import Database

KEPT_SECONDS = 24 * 3600.0


class SeenCommands:
    """Remembers names of commands for a day, over restarts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def first(self, name: str) -> bool:
        """Return whether `name` comes for the first time, and remember it."""
        now = time.time()

        def work(db: apsw.Connection) -> bool:
            db.execute("DELETE FROM seen_commands WHERE at < ?", (now - KEPT_SECONDS,))
            db.execute("INSERT OR IGNORE INTO seen_commands(name, at) VALUES(?, ?)", (name, now))
            return db.changes() > 0

        return await self._database.write(work)
