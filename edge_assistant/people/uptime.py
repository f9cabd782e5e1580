"""Time that nobody can set: seconds since the machine started, and which start that was.

A device without a battery starts with a wrong clock that jumps when the network comes, and whoever
fakes the time of a network moves it at will. Neither may end or prolong a pairing or a throttle.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import msgspec


class Moment(msgspec.Struct, frozen=True):
    """A point in time: `boot` names the start of the machine, `seconds` count from it."""

    boot: str
    seconds: float


Uptime = Callable[[], Moment]


def uptime() -> Moment:
    """Return now, by CLOCK_BOOTTIME (clock_gettime(2)), which also counts sleep."""
    return Moment(_boot_id(), time.clock_gettime(time.CLOCK_BOOTTIME))


@cache
def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:  # hidden by a sandbox: then a restart of the machine is not told from time that passed
        return "unknown"
