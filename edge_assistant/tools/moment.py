"""Which moment is meant: clocks on walls, their zone, their changes. Pure; time is an argument."""

from __future__ import annotations

import datetime as dt
import os
import zoneinfo
from collections.abc import Callable
from pathlib import Path

import msgspec

from edge_assistant.people.uptime import Moment

LOCALTIME = Path("/etc/localtime")

DAYS = "1234567"
"""Monday to Sunday, as `date.isoweekday`."""


class Now(msgspec.Struct, frozen=True, kw_only=True):
    """The present: by the clock that nobody sets, and by the one on the wall (UNIX seconds)."""

    up: Moment
    wall: float
    zone: dt.tzinfo


Clock = Callable[[], Now]


def local_zone() -> dt.tzinfo:
    """Return the zone of this device: of `TZ`, else of the system; UTC when it has none.

    Read anew each time: who travels changes it while we run.
    """
    try:
        if name := os.environ.get("TZ"):
            return zoneinfo.ZoneInfo(name)
        with LOCALTIME.open("rb") as file:
            return zoneinfo.ZoneInfo.from_file(file)
    except (OSError, ValueError):  # ZoneInfoNotFoundError is a KeyError of a name that isn't there
        return dt.UTC
    except KeyError:
        return dt.UTC


def local_now(now: Now) -> dt.datetime:
    """Return the present as the wall shows it, without a zone."""
    return dt.datetime.fromtimestamp(now.wall, now.zone).replace(tzinfo=None)


def wall_seconds(local: dt.datetime, zone: dt.tzinfo) -> float:
    """Return the UNIX seconds of a time on the wall.

    A time that the spring leaves out comes as much later as the clock was moved, one that the autumn
    has twice comes the first time (PEP 495, `fold=0`).
    """
    return local.replace(tzinfo=zone, fold=0).timestamp()


def first_time(at: dt.time, now: Now, days: str = "") -> dt.datetime:
    """Return the next time on the wall at which it is `at`, on one of `days` when there are any."""
    today = local_now(now).date()
    for ahead in range(9):  # tomorrow at the latest without days, in a week with them; clocks may change
        day = today + dt.timedelta(days=ahead)
        local = dt.datetime.combine(day, at)
        if (not days or str(day.isoweekday()) in days) and wall_seconds(local, now.zone) > now.wall:
            return local
    raise AssertionError(days)


def time_after(local: dt.datetime, days: str, now: Now) -> dt.datetime:
    """Return the next ringing of one that repeats, after that of `local`: a later day, and not over yet.

    The same day never rings twice, whatever the clock does.
    """
    day = max(local.date() + dt.timedelta(days=1), local_now(now).date())
    while str(day.isoweekday()) not in days or (
        wall_seconds(dt.datetime.combine(day, local.time()), now.zone) <= now.wall
    ):
        day += dt.timedelta(days=1)
    return dt.datetime.combine(day, local.time())
