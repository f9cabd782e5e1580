"""Timers as rows of the store."""

from __future__ import annotations

from collections.abc import Iterable

import apsw
import msgspec

from edge_assistant.tools.timer import Timer

_COLUMNS = ", ".join(Timer.__struct_fields__)
_PLACES = ", ".join("?" for _ in Timer.__struct_fields__)


def all_timers(db: apsw.Connection) -> list[Timer]:
    """Return every timer, the oldest first."""
    rows = db.execute(f"SELECT {_COLUMNS} FROM timers ORDER BY created_at, id")  # noqa: S608 - our own names
    return [msgspec.convert(dict(zip(Timer.__struct_fields__, row, strict=True)), Timer) for row in rows]


def put(db: apsw.Connection, timers: Iterable[Timer]) -> None:
    """Add timers, or replace those of the same ids."""
    rows = [msgspec.structs.astuple(timer) for timer in timers]
    db.executemany(f"INSERT OR REPLACE INTO timers({_COLUMNS}) VALUES({_PLACES})", rows)


def remove(db: apsw.Connection, ids: Iterable[str]) -> None:
    """Delete timers."""
    db.executemany("DELETE FROM timers WHERE id = ?", [(timer_id,) for timer_id in ids])
