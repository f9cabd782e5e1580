"""People, their devices and pairings: this room's share of forgetting."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import apsw

from edge_assistant.people.devices import Devices
from edge_assistant.people.person import OWNER_ID
from edge_assistant.store.erase import EraseHook, Person, Subject


def people_hook(devices: Devices) -> EraseHook:
    """Return how a person who leaves is forgotten. The owner of the device stays its owner."""

    @contextlib.asynccontextmanager
    async def live(subject: Subject) -> AsyncIterator[None]:
        del subject
        yield
        devices.forget()

    return EraseHook("accounts", ("users", "devices", "pairings"), erase_people, live)


def erase_people(db: apsw.Connection, subject: Subject) -> int:
    """Delete a person who leaves, with devices, tokens and pairings; return 1 for a person."""
    if not isinstance(subject, Person) or not subject.account or subject.principal == OWNER_ID:
        return 0
    db.execute("DELETE FROM users WHERE id = ?", (subject.principal,))  # the rest goes with it
    return db.changes()
