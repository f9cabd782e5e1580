"""What the cloud costs in a calendar month, and how much may still be spent."""

from __future__ import annotations

import time
from collections.abc import Callable

import apsw

from edge_assistant.store.database import Database

_KEPT_MONTHS = 24


class MonthlyBudget:
    """Counts tokens in the store, so that a restart spends nothing anew. `clock` gives UNIX seconds."""

    def __init__(self, database: Database, tokens: int, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self.tokens = tokens
        """How many may be spent in a month."""
        self._clock = clock

    async def spent(self) -> int:
        """Return the tokens of this month."""
        query = "SELECT tokens FROM cloud_usage WHERE month = ?"
        row = await self._database.read(lambda db: db.execute(query, (self._month(),)).fetchone())
        return int(row[0]) if row else 0

    async def left(self) -> int:
        """Return how many tokens may still be spent in this month."""
        return max(self.tokens - await self.spent(), 0)

    async def spend(self, tokens: int) -> None:
        """Take note of tokens that were spent."""
        month = self._month()

        def work(db: apsw.Connection) -> None:
            db.execute(
                "INSERT INTO cloud_usage VALUES(?, ?) ON CONFLICT(month) DO UPDATE SET tokens = tokens + ?",
                (month, tokens, tokens),
            )
            db.execute(
                "DELETE FROM cloud_usage WHERE month NOT IN"
                " (SELECT month FROM cloud_usage ORDER BY month DESC LIMIT ?)",
                (_KEPT_MONTHS,),
            )

        await self._database.write(work)

    def _month(self) -> str:
        return time.strftime("%Y-%m", time.gmtime(self._clock()))
