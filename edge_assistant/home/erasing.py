"""How the house forgets a person: the names that they gave to things."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import apsw

from edge_assistant.store.erase import EraseHook, Person, Subject

if TYPE_CHECKING:
    from edge_assistant.home.house import House


def home_hook(house: House | None) -> EraseHook:
    """Return how names are forgotten; what devices announced says nothing about anybody."""

    @contextlib.asynccontextmanager
    async def live(subject: Subject) -> AsyncIterator[None]:
        del subject
        yield
        if house is not None:
            await house.reload_names()

    return EraseHook("names of devices", ("home_aliases", "home_announced", "home_ids"), erase_names, live)


def erase_names(db: apsw.Connection, subject: Subject) -> int:
    """Delete the names that a person gave, and return how many."""
    if not isinstance(subject, Person):
        return 0
    db.execute("DELETE FROM home_aliases WHERE principal = ?", (subject.principal,))
    return db.changes()
