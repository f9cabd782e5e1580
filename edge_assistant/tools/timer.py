"""A timer, an alarm or a reminder, and when it is due. Pure; time is an argument."""

from __future__ import annotations

import datetime as dt
from typing import Literal

import msgspec

from edge_assistant.tools.moment import Now, time_after, wall_seconds

Kind = Literal["timer", "alarm", "reminder"]

LATE_SECONDS = 5.0
"""What rings later than this was missed, and is said so."""


class Timer(msgspec.Struct, frozen=True, kw_only=True):
    """Something that rings: after a duration, or at a time on the wall.

    A duration is measured by the clock that nobody sets while the machine stays up, and by the wall's
    after it was started anew; a time on the wall follows the wall.
    """

    id: str
    principal: str
    kind: Kind
    label: str = ""
    seconds: float = 0.0
    """Of a duration, as it was asked for; 0 when it is about a time on the wall."""
    boot: str = ""
    due_up: float = 0.0
    """When a duration ends, by the clock of that start of the machine."""
    due_wall: float = 0.0
    """When it ends by the wall as it then was (UNIX seconds): for another start of the machine."""
    local: str = ""
    """Of a time on the wall: the next ringing, ISO without a zone."""
    days: str = ""
    """On which days of the week it rings again; empty for once."""
    paused_left: float | None = None
    """Of a paused one: the seconds that are left."""
    rang_at: float | None = None
    """When it began to ring (UNIX seconds); None before. It rings until somebody takes note."""
    late: float = 0.0
    """By how many seconds it rang too late."""
    created_at: float = 0.0


class Ringing(msgspec.Struct, frozen=True, kw_only=True):
    """A timer that is due now."""

    timer: Timer
    late_seconds: float

    @property
    def missed(self) -> bool:
        """Whether its time has passed without anybody hearing it."""
        return self.late_seconds > LATE_SECONDS


def left_seconds(timer: Timer, now: Now) -> float:
    """Return the seconds until it rings."""
    if timer.paused_left is not None:
        return timer.paused_left
    if timer.local:
        return wall_seconds(dt.datetime.fromisoformat(timer.local), now.zone) - now.wall
    if timer.boot == now.up.boot:
        return timer.due_up - now.up.seconds
    return timer.due_wall - now.wall


def runs(timer: Timer) -> bool:
    """Return whether it goes on towards its ringing."""
    return timer.paused_left is None and timer.rang_at is None


def started(timer: Timer, left: float, now: Now) -> Timer:
    """Return a duration that has `left` seconds to go from now."""
    return msgspec.structs.replace(
        timer, paused_left=None, boot=now.up.boot, due_up=now.up.seconds + left, due_wall=now.wall + left
    )


def paused(timer: Timer, now: Now) -> Timer:
    """Return a duration that stands still."""
    return msgspec.structs.replace(timer, paused_left=max(0.0, left_seconds(timer, now)))


def rung(timer: Timer, now: Now) -> Timer:
    """Return what becomes of one that is due: it rings, and the next time is set when it repeats."""
    late = max(0.0, -left_seconds(timer, now))
    timer = msgspec.structs.replace(timer, rang_at=now.wall, late=round(late, 3))
    if timer.days:
        then = time_after(dt.datetime.fromisoformat(timer.local), timer.days, now)
        timer = msgspec.structs.replace(timer, local=then.isoformat())
    return timer


def rebased(timer: Timer, now: Now) -> Timer:
    """Return a running duration with its time on the wall as the wall is now: somebody set the clock."""
    if timer.local or timer.paused_left is not None or timer.boot != now.up.boot:
        return timer
    return msgspec.structs.replace(timer, due_wall=now.wall + timer.due_up - now.up.seconds)
