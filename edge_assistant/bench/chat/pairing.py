"""Guesses at the six digits of a pairing, by somebody who never stops, across restarts."""

from __future__ import annotations

import asyncio
import random
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from edge_assistant.bench.goal import Goal, Result
from edge_assistant.bench.measurement import Measurement, Setting
from edge_assistant.errors import ForbiddenError, ThrottledError
from edge_assistant.people.pairings import Pairings
from edge_assistant.people.person import OWNER_ID
from edge_assistant.people.uptime import Moment
from edge_assistant.store.database import Database

GUESSES = 1_000_000
GUESSES_A_SECOND = 100
RESTARTS = 100
LATEST = 12
"""The right digits come as the first to twelfth guess that is compared: are they still taken?"""

LATEST_TAKEN = Goal(
    metric="guesses that are compared with one code, in 10^6 across restarts",
    unit="tries",
    text="10^6 simulated pairing guesses across restarts: at most 5 tries a code",
    at_most=5,
)


class Attack(msgspec.Struct):
    """What came of it."""

    guesses: int = 0
    compared: int = 0
    """Guesses that were not refused for coming too often."""
    codes: int = 0
    restarts: int = 0
    latest_taken: int = 0
    """The latest try at which the right digits still paired: what an attacker has per code."""
    most_a_minute: int = 0


class Attacker:
    """Guesses at a store in simulated time; the owner makes a new code whenever one ended."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.attack = Attack()
        self._path = folder / "assistant.db"
        self._key = secrets.token_bytes(32)
        self._random = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self._now = Moment("boot-0", 1000.0)
        self._compared_at: list[float] = []

    async def run(self, guesses: int, restarts: int = RESTARTS) -> Attack:
        """Guess so often; the process is restarted in between, each tenth time the whole machine."""
        for life in range(restarts):
            if life and life % 10 == 0:
                self._now = Moment(f"boot-{life}", 1.0)
            database = await Database.open(self._path, self._key)
            try:
                await self._live(Pairings(database, uptime=lambda: self._now), guesses // restarts)
            finally:
                await database.close()
            self.attack.restarts += 1
        return self.attack

    _code = ""
    _tries = 0
    """Guesses that were compared with this code."""
    _right_at = 0

    async def _live(self, pairings: Pairings, guesses: int) -> None:
        for _ in range(guesses):
            if not self._code:
                self._code = (await pairings.begin(OWNER_ID)).code
                self._tries, self._right_at = 0, self._random.randint(1, LATEST)
                self.attack.codes += 1
            self._now = Moment(self._now.boot, self._now.seconds + 1 / GUESSES_A_SECOND)
            self.attack.guesses += 1
            await self._guess(pairings)

    async def _guess(self, pairings: Pairings) -> None:
        right = self._tries + 1 == self._right_at
        guess = self._code if right else f"{(int(self._code) + 1 + self._tries) % 10**6:06}"
        try:
            await pairings.use_code(guess)
        except ThrottledError:
            return
        except ForbiddenError:
            self._note_compared()
            self._tries += 1
            if right:
                self._code = ""  # too late: the owner makes a new one
        else:
            self.attack.latest_taken = max(self.attack.latest_taken, self._tries + 1)
            self._code = ""

    def _note_compared(self) -> None:
        self.attack.compared += 1
        now = self._now.seconds
        self._compared_at = [each for each in self._compared_at if now - 60 < each <= now] + [now]
        self.attack.most_a_minute = max(self.attack.most_a_minute, len(self._compared_at))


def measure(setting: Setting) -> Iterator[Result]:
    """Attack a store of its own; a few seconds, so never at reduced size."""
    del setting
    with tempfile.TemporaryDirectory(prefix="edge-assistant-bench-") as folder:
        attack = asyncio.run(Attacker(Path(folder), seed=1).run(GUESSES))
    yield LATEST_TAKEN.measured(
        attack.latest_taken,
        f"n={attack.guesses:,} at {GUESSES_A_SECOND} a second of simulated time, {attack.restarts} restarts, "
        f"{attack.codes} codes, the right digits at a random try; {attack.compared:,} guesses were compared, "
        f"never more than {attack.most_a_minute} within a minute, the others refused unread",
    )


MEASUREMENTS = (Measurement((LATEST_TAKEN,), measure),)
