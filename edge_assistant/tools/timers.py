"""Timers, alarms and reminders: kept in the store, rung by this device alone, after a restart too."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import secrets
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol

import apsw
import msgspec

from edge_assistant.errors import EdgeError, UsageError
from edge_assistant.people.person import HOUSEHOLD_ID, Principal
from edge_assistant.people.uptime import uptime
from edge_assistant.store.database import Database
from edge_assistant.tools import timer_rows as rows
from edge_assistant.tools.moment import Clock, Now, first_time, local_zone
from edge_assistant.tools.timer import (
    Kind,
    Ringing,
    Timer,
    left_seconds,
    paused,
    rebased,
    rung,
    runs,
    started,
)

logger = logging.getLogger(__name__)

CHECK_SECONDS = 10.0
"""A wall clock that somebody sets, or another zone, is noticed this late at most."""

JUMP_SECONDS = 1.0
"""A wall clock that moved by more against the other clock was set."""

MOST = 200
"""Timers of one person."""

LONGEST_SECONDS = 366 * 86_400.0
LONGEST_LABEL = 100

KEPT_SECONDS = 86_400.0
"""One that rang and that nobody took note of goes after a day."""

REPEATED_KEPT_SECONDS = 3_600.0
"""One that rings again on another day waits for that after an hour."""


class Bell(Protocol):
    """Somebody who tells people that a timer is due; must not block or fail."""

    def ring(self, ringing: Ringing) -> None:
        """Begin to ring."""
        ...

    def still(self, timer: Timer) -> None:
        """Stop ringing: somebody took note."""
        ...


def system_clock() -> Now:
    """Return the present of this machine."""
    return Now(up=uptime(), wall=time.time(), zone=local_zone())


class Timers:
    """All timers of this device; `run` it as a task while the daemon lives."""

    def __init__(self, database: Database, *, clock: Clock = system_clock) -> None:
        self._database = database
        self._clock = clock
        self._timers: dict[str, Timer] = {}
        self._bells: list[Bell] = []
        self._changed = asyncio.Event()
        self._hushed = False
        self._offset: float | None = None
        """Wall against uptime when it was last looked at; a change means that somebody set the clock."""

    def add_bell(self, bell: Bell) -> None:
        """Have `bell` rung for each timer that is due."""
        self._bells.append(bell)

    async def load(self) -> None:
        """Read what was set before the last end; call before `run`."""
        found = await self._database.read(rows.all_timers)
        self._timers = {timer.id: timer for timer in found}

    async def run(self) -> None:
        """Ring what is due, until cancelled."""
        while True:
            try:
                if self._hushed:
                    self._hushed = False
                    await self.take_note(self.ringing())
                wait = await self._ring_due()
            except EdgeError as error:  # the disk may have room again later; it has rung all the same
                logger.warning("timers can't be written: %s", error.code)
                wait = CHECK_SECONDS
            try:
                async with asyncio.timeout(min(wait, CHECK_SECONDS)):
                    await self._changed.wait()
                self._changed.clear()
            except TimeoutError:
                pass

    # --- what people ask for ---

    async def start(
        self, principal: Principal, seconds: float, label: str = "", *, kind: Kind = "timer"
    ) -> Timer:
        """Set something that rings in `seconds`; raises TIMER_BAD, TIMERS_FULL."""
        if not 1 <= seconds <= LONGEST_SECONDS:  # NaN isn't either
            raise UsageError("TIMER_BAD", "a timer lasts from a second to a year")
        now = self._clock()
        timer = self._new(principal, kind, label, now)
        return await self._keep(started(msgspec.structs.replace(timer, seconds=float(seconds)), seconds, now))

    async def at(
        self,
        principal: Principal,
        at: dt.datetime | dt.time,
        label: str = "",
        *,
        days: str = "",
        kind: Kind = "alarm",
    ) -> Timer:
        """Set something that rings at a time on the wall: a date's, or the next on one of `days`.

        Raises TIMER_BAD, TIMERS_FULL.
        """
        now = self._clock()
        if set(days) - set("1234567"):
            raise UsageError("TIMER_BAD", "days are numbers from 1 for Monday to 7 for Sunday")
        local = at.replace(tzinfo=None) if isinstance(at, dt.datetime) else first_time(at, now, days)
        timer = msgspec.structs.replace(
            self._new(principal, kind, label, now), local=local.isoformat(), days=days
        )
        if not 0 < left_seconds(timer, now) <= LONGEST_SECONDS:
            raise UsageError("TIMER_BAD", "that time is over, or more than a year away")
        return await self._keep(timer)

    def of(self, principal: Principal, kind: Kind | None = None) -> list[Timer]:
        """Return what a person set and, if they live here, what the household set; the next due first."""
        now = self._clock()
        found = [t for t in self._timers.values() if _sees(principal, t) and kind in {None, t.kind}]
        return sorted(found, key=lambda timer: (timer.rang_at is None, left_seconds(timer, now)))

    def left(self, timer: Timer) -> float:
        """Return the seconds until it rings, 0 when it does."""
        return max(0.0, left_seconds(timer, self._clock()))

    def find(self, principal: Principal, name: str = "", kind: Kind | None = None) -> list[Timer]:
        """Return the timers that a person may mean: by id, by label, or all without a name."""
        visible, name = self.of(principal, kind), name.strip().casefold()
        if not name:
            return visible
        return (
            [t for t in visible if t.id == name]
            or [t for t in visible if t.label.casefold() == name]
            or [t for t in visible if name in t.label.casefold()]
        )

    async def pause(self, timer: Timer) -> Timer:
        """Let a duration stand still."""
        return await self._keep(paused(self._duration(timer), self._clock()))

    async def resume(self, timer: Timer) -> Timer:
        """Let a paused one go on."""
        timer = self._duration(timer)
        return (
            timer
            if timer.paused_left is None
            else await self._keep(started(timer, timer.paused_left, self._clock()))
        )

    async def lengthen(self, timer: Timer, seconds: float) -> Timer:
        """Let a duration last so much longer, or shorter; raises TIMER_BAD."""
        timer, now = self._duration(timer), self._clock()
        left = left_seconds(timer, now) + seconds
        if not 0 < left <= LONGEST_SECONDS:
            raise UsageError("TIMER_BAD", "then it would be over already, or last longer than a year")
        if timer.paused_left is not None:
            return await self._keep(msgspec.structs.replace(timer, paused_left=left))
        return await self._keep(started(timer, left, now))

    async def cancel(self, timers: Iterable[Timer]) -> None:
        """End timers, whether or not they ring; nothing happens to those that are gone."""
        gone = [self._timers.pop(timer.id) for timer in timers if timer.id in self._timers]
        await self._database.write(lambda db: rows.remove(db, [timer.id for timer in gone]))
        self._still(gone)
        self._changed.set()

    async def restore(self, timer: Timer) -> Timer:
        """Put back one that was cancelled."""
        return await self._keep(timer)

    async def take_note(self, timers: Iterable[Timer]) -> None:
        """Stop what rings: it is gone, or waits for its next day."""
        ringing = [t for t in timers if t.id in self._timers and t.rang_at is not None]
        again = [msgspec.structs.replace(t, rang_at=None, late=0.0) for t in ringing if t.days]
        over = [t.id for t in ringing if not t.days]
        for timer in again:
            self._timers[timer.id] = timer
        for timer_id in over:
            del self._timers[timer_id]
        await self._write(again, over)
        self._still(ringing)
        self._changed.set()

    def hush(self) -> None:
        """Have `run` take note of everything that rings; returns at once."""
        self._hushed = True
        self._changed.set()

    @property
    def today(self) -> dt.date:
        """The date on the wall."""
        now = self._clock()
        return dt.datetime.fromtimestamp(now.wall, now.zone).date()

    @property
    def count(self) -> int:
        """How many there are, whoever set them."""
        return len(self._timers)

    def ringing(self) -> list[Timer]:
        """Return those that nobody took note of yet."""
        return [timer for timer in self._timers.values() if timer.rang_at is not None]

    # --- what time does ---

    async def _ring_due(self) -> float:
        """Ring what is due and return the seconds until the next.

        It rings first and is written down afterwards, all in one write: after a crash in between it
        rings again, which is better than never, and many at once are as punctual as one.
        """
        now = self._clock()
        changed = self._clock_was_set(now)
        due = [t for t in self._timers.values() if runs(t) and left_seconds(t, now) <= 0]
        for timer in due:
            ringing = Ringing(timer=timer, late_seconds=-left_seconds(timer, now))
            logger.info("%s %s rings, %.0f ms late", timer.kind, timer.id, ringing.late_seconds * 1000)
            self._tell(partial(_ring, ringing=ringing))
            self._timers[timer.id] = rung(timer, now)
        over = self._forget_old(now)
        changed = [self._timers[t.id] for t in [*changed, *due]]
        if changed or over:
            await self._write(changed, over)
        waits = [left_seconds(t, self._clock()) for t in self._timers.values() if runs(t)]
        return max(0.0, min(waits, default=CHECK_SECONDS))

    def _clock_was_set(self, now: Now) -> list[Timer]:
        """Return the timers whose time on the wall is another one now."""
        offset = now.wall - now.up.seconds
        before, self._offset = self._offset, offset
        if before is None or abs(offset - before) <= JUMP_SECONDS:
            return []
        logger.info("the clock was set by %.0f s", offset - before)
        moved = [new for old in self._timers.values() if runs(old) and (new := rebased(old, now)) != old]
        self._timers |= {timer.id: timer for timer in moved}
        return moved

    def _forget_old(self, now: Now) -> list[str]:
        """Return the ids of those that rang long ago; one that repeats only stops ringing."""
        old = [t for t in self.ringing() if _forgotten(t, now)]
        for timer in old:
            del self._timers[timer.id]
            if timer.days:
                self._timers[timer.id] = msgspec.structs.replace(timer, rang_at=None, late=0.0)
        return [timer.id for timer in old if not timer.days]

    def _new(self, principal: Principal, kind: Kind, label: str, now: Now) -> Timer:
        if sum(timer.principal == principal.id for timer in self._timers.values()) >= MOST:
            raise EdgeError("TIMERS_FULL", f"{MOST} timers are set: cancel some first")
        return Timer(
            id=secrets.token_hex(8), principal=principal.id, kind=kind, created_at=now.wall,
            label=" ".join(label.split())[:LONGEST_LABEL],
        )  # fmt: skip

    def _duration(self, timer: Timer) -> Timer:
        known = self._timers.get(timer.id)
        if known is None or known.rang_at is not None:
            raise EdgeError("TIMER_GONE", "that timer is over")
        if known.local:
            raise UsageError("TIMER_BAD", "only a timer can be paused or changed; set the alarm anew")
        return known

    async def _keep(self, timer: Timer) -> Timer:
        """Keep it durably before anybody is told that it is set."""
        await self._database.write(lambda db: rows.put(db, [timer]))
        self._timers[timer.id] = timer
        self._changed.set()
        return timer

    async def _write(self, put: list[Timer], remove: list[str]) -> None:
        def work(db: apsw.Connection) -> None:
            rows.put(db, put)
            rows.remove(db, remove)

        await self._database.write(work)

    def _still(self, timers: Iterable[Timer]) -> None:
        for timer in timers:
            if timer.rang_at is not None:
                self._tell(partial(_still, timer=timer))

    def _tell(self, what: Callable[[Bell], None]) -> None:
        for bell in self._bells:
            try:
                what(bell)
            except Exception:  # the others ring all the same
                logger.exception("a bell failed")


def _ring(bell: Bell, ringing: Ringing) -> None:
    bell.ring(ringing)


def _still(bell: Bell, timer: Timer) -> None:
    bell.still(timer)


def _forgotten(timer: Timer, now: Now) -> bool:
    kept = REPEATED_KEPT_SECONDS if timer.days else KEPT_SECONDS
    return timer.rang_at is not None and now.wall - timer.rang_at > kept


def _sees(principal: Principal, timer: Timer) -> bool:
    return timer.principal == principal.id or (timer.principal == HOUSEHOLD_ID and principal.role != "guest")
