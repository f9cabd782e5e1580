"""The people of this device, their devices, and the ways in, together."""

from __future__ import annotations

import time
from collections.abc import Callable

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
