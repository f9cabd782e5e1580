"""The people of this device, their devices, and the ways in, together."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from edge_assistant.errors import EdgeError
from edge_assistant.people.devices import Devices
from edge_assistant.people.pairings import Pairings
from edge_assistant.people.uptime import Uptime, uptime
from edge_assistant.people.users import Users
from edge_assistant.store.database import Database


class People:
    """Who may come in. `clock` gives UNIX seconds."""

    def __init__(
        self, database: Database, *, clock: Callable[[], float] = time.time, uptime: Uptime = uptime
    ) -> None:
        self.users = Users(database)
        self.devices = Devices(database, clock=clock)
        self.pairings = Pairings(database, clock=clock, uptime=uptime)

    async def erase(self, principal_id: str) -> None:
        """Erase a person: devices, tokens, pairings and name. The owner of the device keeps their name."""
        await self.devices.erase(principal_id)
        with contextlib.suppress(EdgeError):  # the owner stays, and nobody is erased twice
            await self.users.remove(principal_id)
