"""Questions whether something may be done: each is bound to one action, one person and a short time."""

from __future__ import annotations

import copy
import secrets
import time
from collections.abc import Callable

import msgspec

from edge_assistant.errors import EdgeError, ForbiddenError
from edge_assistant.people.person import HOUSEHOLD_ID, Principal, at_least
from edge_assistant.tools.protocol import Call, Effect, Occasion

LASTS_SECONDS = 60.0
"""Long enough to find the phone; nobody remembers a question much longer."""

OPEN = 64
"""Questions that may be open at once; the oldest gives way."""


class Confirmation(msgspec.Struct, frozen=True, kw_only=True):
    """An action that waits for a yes."""

    id: str
    call: Call
    effect: Effect
    occasion: Occasion
    pin: bool
    """Whether the yes must come with the household's PIN."""
    expires_at: float
    """By the clock of `Confirmations`."""


class Confirmations:
    """Open questions, in memory only: after a restart they are asked again. `clock` never jumps."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open: dict[str, Confirmation] = {}

    def ask(self, call: Call, effect: Effect, occasion: Occasion, *, pin: bool) -> Confirmation:
        """Open a question; an older one of the same conversation is withdrawn: a yes means the newest."""
        self._expire()
        for older in [each for each in self._open.values() if _same_place(each.occasion, occasion)]:
            del self._open[older.id]
        while len(self._open) >= OPEN:
            del self._open[next(iter(self._open))]
        asked = Confirmation(
            id=secrets.token_hex(16), call=copy.deepcopy(call), effect=effect, occasion=occasion, pin=pin,
            expires_at=self._clock() + LASTS_SECONDS,
        )  # fmt: skip
        self._open[asked.id] = asked
        return asked

    def newest(self, principal: Principal, session: str) -> Confirmation | None:
        """Return the question that a spoken yes in this conversation answers."""
        self._expire()
        found = [each for each in self._open.values() if each.occasion.session == session]
        return next((each for each in reversed(found) if _may_answer(principal, each)), None)

    def look(self, action: str, principal: Principal) -> Confirmation:
        """Return an open question; raises CONFIRMATION_GONE, CONFIRMATION_NOT_YOURS."""
        self._expire()
        asked = self._open.get(action)
        if asked is None:
            raise EdgeError(
                "CONFIRMATION_GONE", "that is not asked any more: say again what you want, nothing was done"
            )
        if not _may_answer(principal, asked):
            raise ForbiddenError("CONFIRMATION_NOT_YOURS", "somebody else is asked that")
        return asked

    def take(self, action: str, principal: Principal) -> Confirmation:
        """Return an open question and close it: it is answered once. Raises as `look`."""
        asked = self.look(action, principal)
        del self._open[action]
        return asked

    def of(self, principal: Principal) -> list[Confirmation]:
        """Return the open questions that this person may answer, the oldest first."""
        self._expire()
        return [each for each in self._open.values() if _may_answer(principal, each)]

    def left_seconds(self, asked: Confirmation) -> float:
        """Return how long a question stays open."""
        return max(0.0, asked.expires_at - self._clock())

    def _expire(self) -> None:
        now = self._clock()
        for each in [each for each in self._open.values() if each.expires_at <= now]:
            del self._open[each.id]


def _may_answer(principal: Principal, asked: Confirmation) -> bool:
    """Return whether this is the one who was asked; the household is everybody who lives here."""
    if principal.id == asked.occasion.principal.id:
        return True
    return asked.occasion.principal.id == HOUSEHOLD_ID and at_least(principal.role, "member")


def _same_place(one: Occasion, other: Occasion) -> bool:
    return (one.principal.id, one.session) == (other.principal.id, other.session)
