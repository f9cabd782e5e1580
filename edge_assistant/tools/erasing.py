"""Timers and lists: this room's share of forgetting."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import Any

import apsw

from edge_assistant.store.erase import EraseHook, Person, Subject, Topic
from edge_assistant.tools.timers import Timers

Row = tuple[Any, ...]


def timer_hook(timers: Timers | None) -> EraseHook:
    """Return how timers are forgotten; without running ones only their rows."""

    @contextlib.asynccontextmanager
    async def live(subject: Subject) -> AsyncIterator[None]:
        del subject
        yield
        if timers is not None:
            await timers.load()

    return EraseHook("timers", ("timers",), erase_timers, live)


def list_hook() -> EraseHook:
    """Return how lists are forgotten; those of the household are everybody's."""
    return EraseHook("lists", ("lists", "list_items"), erase_lists)


def erase_timers(db: apsw.Connection, subject: Subject) -> int:
    """Delete a person's timers, or those of a topic; return how many."""
    match subject:
        case Person(principal=who):
            found = list(db.execute("SELECT id, label FROM timers WHERE principal = ?", (who,)))
        case Topic(principal=who):
            labels = db.execute("SELECT id, label FROM timers WHERE principal = ?", (who,))
            found = _about(labels, subject)
        case _:
            found = []
    db.executemany("DELETE FROM timers WHERE id = ?", [(row[0],) for row in found])
    return len(found)


def erase_lists(db: apsw.Connection, subject: Subject) -> int:
    """Delete a person's lists, or the items of a topic in them; return how many."""
    match subject:
        case Person(principal=who):
            return len(db.execute("DELETE FROM lists WHERE principal = ? RETURNING id", (who,)).fetchall())
        case Topic(principal=who):
            query = (
                "SELECT i.id, i.text FROM list_items i JOIN lists l ON l.id = i.list WHERE l.principal = ?"
            )
            found = _about(db.execute(query, (who,)), subject)
            db.executemany("DELETE FROM list_items WHERE id = ?", [(row[0],) for row in found])
            return len(found)
        case _:
            return 0


def _about(rows: Iterable[Row], topic: Topic) -> list[Row]:
    return [row for row in rows if topic.mentioned_in(str(row[1]))]
