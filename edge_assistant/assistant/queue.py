"""Whose turn it is when more is asked than the model answers at once.

A place that becomes free goes to the person with the fewest running answers; among those to the one
who was served longest ago. So someone who asks twenty things waits behind their own questions, not
the others behind them. Decisions are plain functions of the state; only waiting knows asyncio.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from edge_assistant.assistant.forecast import Work

Tell = Callable[[int, float], None]
"""Takes a waiting turn's place, 1 is next, and the seconds until its first word."""


class Ticket:
    """One question that waits or is being answered."""

    def __init__(self, person: str, work: Work, tell: Tell) -> None:
        self.person = person
        self.work = work
        self.tell = tell
        self.called = asyncio.Event()
        """Set when it is its turn."""
        self.began = 0.0
        """When that was, by the queue's clock."""
        self.place = 0
        """Where it stood when that was last told; 0 before."""


class FairQueue:
    """Gives `places` places to whoever waits; `clock` is seconds that never jump."""

    def __init__(self, places: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._places = places
        self._clock = clock
        self._waiting: list[Ticket] = []
        self._running: list[Ticket] = []
        self._served: dict[str, int] = {}
        """When each person here was last served, as a running number."""
        self._count = 0

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @property
    def wait_seconds(self) -> float:
        """How long a newcomer would wait behind all who wait now."""
        newcomer = Ticket("", Work(), _nobody)
        return next(start for ticket, start in self._plan(newcomer) if ticket is newcomer)

    @asynccontextmanager
    async def place(self, person: str, work: Work, tell: Tell) -> AsyncIterator[None]:
        """Wait for a place and hold it for the block.

        `tell` hears the place and the predicted wait when it has to wait and whenever it moves up.
        """
        ticket = Ticket(person, work, tell)
        self._waiting.append(ticket)
        self._move()
        try:
            await ticket.called.wait()
            yield
        finally:
            (self._running if ticket in self._running else self._waiting).remove(ticket)
            self._forget(person)
            self._move()

    def _move(self) -> None:
        """Call whoever has a place now, and tell the others where they stand."""
        plan = self._plan()
        free = max(self._places - len(self._running), 0)
        for ticket, _ in plan[:free]:
            self._call(ticket)
        for place, (ticket, start) in enumerate(plan[free:], start=1):
            if place != ticket.place:
                ticket.place = place
                ticket.tell(place, start + ticket.work.reading)

    def _call(self, ticket: Ticket) -> None:
        self._waiting.remove(ticket)
        self._running.append(ticket)
        self._count += 1
        self._served[ticket.person] = self._count
        ticket.began = self._clock()
        ticket.called.set()

    def _plan(self, *newcomers: Ticket) -> list[tuple[Ticket, float]]:
        """Return who waits in the order of being called, and in how many seconds, if nobody else comes."""
        now = self._clock()
        ends = [(max(t.began + t.work.total - now, 0.0), n, t.person) for n, t in enumerate(self._running)]
        heapq.heapify(ends)
        running = Counter(ticket.person for ticket in self._running)
        served = dict(self._served)
        lines = _lines([*self._waiting, *newcomers])
        plan: list[tuple[Ticket, float]] = []
        while lines:
            start = 0.0
            if len(ends) >= self._places:
                start, _, done = heapq.heappop(ends)
                running[done] -= 1
            person = min(lines, key=lambda who: (running[who], served.get(who, 0)))
            ticket = lines[person].popleft()
            if not lines[person]:
                del lines[person]
            running[person] += 1
            served[person] = self._count + len(plan) + 1
            plan.append((ticket, start))
            heapq.heappush(ends, (start + ticket.work.total, len(self._running) + len(plan), person))
        return plan

    def _forget(self, person: str) -> None:
        """Drop what is known of a person who has nothing here any more."""
        if not any(ticket.person == person for ticket in (*self._waiting, *self._running)):
            self._served.pop(person, None)


def _lines(tickets: Iterable[Ticket]) -> dict[str, deque[Ticket]]:
    lines: dict[str, deque[Ticket]] = {}
    for ticket in tickets:
        lines.setdefault(ticket.person, deque()).append(ticket)
    return lines


def _nobody(place: int, seconds: float) -> None:
    """Tell nobody."""
