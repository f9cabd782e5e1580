"""Every way in which a claim token can be no good, each tried by a device with a key of its own."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple

from edge_assistant.bench.fleet.ground import Gadget, Ground, until
from edge_assistant.bench.fleet.operator import Operator
from edge_assistant.errors import EdgeError
from edge_assistant.fleet.enrolment import Enrolment, RefusedError, claim_of
from edge_assistant.fleet.identity import Keeper

SHORT_SECONDS = 1.0
"""How long a claim lives that shall expire before anybody uses it."""

ANSWER_SECONDS = 20.0


class Case(NamedTuple):
    """One combination."""

    used: bool
    expired: bool
    wrong_serial: bool
    pending: bool
    """Whether whoever used it waits for approval, so that the broker still knows the token."""

    @property
    def label(self) -> str:
        """Its words."""
        words = [name.replace("_", " ") for name in self._fields[:3] if getattr(self, name)]
        return " and ".join(words or ["good"]) + (" (its user waits)" if self.used and self.pending else "")


def cases() -> Iterator[Case]:
    """Yield every combination, those with a user in both stages; the good one comes first."""
    for used, expired, wrong in product((False, True), repeat=3):
        for pending in (False, True) if used else (False,):
            yield Case(used, expired, wrong, pending)


class Attempt(NamedTuple):
    """What became of a case."""

    case: Case
    enrolled: bool
    answer: str
    """The registrar's code, or that the broker let nobody in."""


async def attempts(ground: Ground, operator: Operator, *, used_seconds: float) -> list[Attempt]:
    """Try all cases side by side; claims that expire in the hands of a user live `used_seconds`."""
    tries = (_attempt(ground, operator, *each, used_seconds) for each in enumerate(cases()))
    return await asyncio.gather(*tries)


async def _attempt(
    ground: Ground, operator: Operator, number: int, case: Case, used_seconds: float
) -> Attempt:
    serial = f"token-{number}"
    wish: dict[str, Any] = {"serial": serial, "name": f"t{number}"}
    wish["seconds"] = (used_seconds if case.used else SHORT_SECONDS) if case.expired else 900.0
    made = await operator.order(type="claim", wishes=[wish], allow=not case.pending)
    token, ends = made["claims"][0]["token"], made["claims"][0]["expires_at"]
    if not case.used:
        await _wait_for(ends, case)
        return await _try(ground, token, number, case)
    first = Gadget(ground, f"t{number}", token, serial=serial)
    async with first.running():
        state = "pending" if case.pending else "enrolled"
        await until(lambda: operator.has(f"t{number}", state))
        await _wait_for(ends, case)
        return await _try(ground, token, number, case)


async def _wait_for(ends: float, case: Case) -> None:
    if case.expired:
        await asyncio.sleep(max(ends - time.time(), 0) + 0.2)


async def _try(ground: Ground, token: str, number: int, case: Case) -> Attempt:
    user, password = claim_of(token)
    keeper = Keeper(ground.folder / "devices" / f"intruder-{number}")
    serial = "of-another" if case.wrong_serial else f"token-{number}"
    enrolment = Enrolment(keeper, ground.broker(user, password), serial=serial, name=f"intruder-{number}")
    trying = asyncio.create_task(enrolment.run(), name="intruder")
    try:
        await until(lambda: trying.done() or "ot authori" in enrolment.detail, ANSWER_SECONDS)
    except EdgeError:
        return Attempt(case, keeper.load() is not None, f"nothing: {enrolment.detail}")
    finally:
        trying.cancel()
        (found,) = await asyncio.gather(trying, return_exceptions=True)
    answer = found.code if isinstance(found, RefusedError) else "" if keeper.load() else "not let in"
    return Attempt(case, keeper.load() is not None, answer)


def summary(found: list[Attempt]) -> str:
    """Return how often each answer came."""
    counts = Counter(attempt.answer for attempt in found)
    return ", ".join(f"{count} {answer}" for answer, count in sorted(counts.items()))
