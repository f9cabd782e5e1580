"""A store, people, and clocks that a test turns by hand."""

from __future__ import annotations

import datetime as dt
import secrets
import zoneinfo

import pytest

from edge_assistant.people.person import HOUSEHOLD, OWNER, Principal
from edge_assistant.people.uptime import Moment
from edge_assistant.store.database import Database
from edge_assistant.tools.moment import Now
from edge_assistant.tools.protocol import Effect, Occasion, Outcome

ANN = Principal("ann", "member")
GUEST = Principal("gus", "guest")
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")


class Clocks:
    """The wall's clock and the one that nobody sets; both go on when time passes."""

    def __init__(self, wall: str = "2026-11-26T12:00", zone=BERLIN):
        self.zone = zone
        self.wall = dt.datetime.fromisoformat(wall).replace(tzinfo=zone).timestamp()
        self.up = 1000.0
        self.boot = "one"

    def __call__(self) -> Now:
        return Now(up=Moment(self.boot, self.up), wall=self.wall, zone=self.zone)

    def pass_time(self, seconds: float) -> None:
        self.wall += seconds
        self.up += seconds

    def reboot(self, seconds: float = 60.0) -> None:
        self.wall += seconds
        self.boot, self.up = self.boot + "+", 5.0


class Bell:
    def __init__(self):
        self.rung, self.stilled = [], []

    def ring(self, ringing):
        self.rung.append(ringing)

    def still(self, timer):
        self.stilled.append(timer.id)

    @property
    def labels(self):
        return [ringing.timer.label for ringing in self.rung]


class Ledger:
    """Writes down in a list."""

    def __init__(self):
        self.entries = []

    async def record(self, event, principal, details):
        self.entries.append((event, principal, dict(details)))

    @property
    def events(self):
        return [event for event, _, _ in self.entries]


def occasion(principal=OWNER, session="s", **more):
    return Occasion(principal=principal, session=session, source="web", **more)


@pytest.fixture
def clocks():
    return Clocks()


@pytest.fixture
def ledger():
    return Ledger()


@pytest.fixture
async def database(tmp_path):
    opened = await Database.open(tmp_path / "assistant.db", secrets.token_bytes(32))
    yield opened
    await opened.close()


__all__ = ["ANN", "GUEST", "HOUSEHOLD", "OWNER", "Bell", "Clocks", "Effect", "Outcome", "occasion"]
