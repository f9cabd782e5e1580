"""Each single operation of a scripted turn fails once: that is a clear error or no matter, never damage."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Iterator
from dataclasses import dataclass

from edge_assistant.bench.goal import Goal, Result
from edge_assistant.bench.measurement import Measurement, Setting
from edge_assistant.bench.storage.disk import CardError, Disk
from edge_assistant.bench.storage.script import PERSON, SESSION, Card, Told
from edge_assistant.errors import EdgeError, StoreError

CLEAR = {"STORE_FULL", "STORE_UNAVAILABLE", "STORE_DAMAGED", "STORE_BUSY"}
"""What a failing card may be called; each says what to do."""

HARMED = Goal(
    metric="n-th operation failing, for every n of a scripted turn: runs that ended neither in success nor "
    "in a clear error, or after which the store was damaged or an acknowledged write gone",
    unit="runs",
    text="the n-th I/O failing for every n: a clear error or success, never corruption",
    at_most=0,
)


@dataclass
class Outcome:
    """How the runs went."""

    runs: int = 0
    errors: int = 0
    """Runs that ended with a clear error; the others succeeded."""
    harmed: int = 0


async def fail_each(card: Card, error: int, step: int = 1) -> Outcome:
    """Fail every `step`th operation of a turn in a run of its own, with `error` of errno."""
    outcome, operation, more = Outcome(), 1, True
    while more:
        disk, told = card.disk(), Told()
        disk.fail_at(operation, CardError(error))
        outcome.runs += 1
        try:
            with card.opened(disk) as conversations:
                await told.tell(conversations, iter(("one", "two")), 2)
        except StoreError as failure:
            outcome.errors += 1
            outcome.harmed += failure.code not in CLEAR
        more = disk.done >= operation
        outcome.harmed += not await _unharmed(card, disk, told)
        operation += step
    return outcome


async def _unharmed(card: Card, disk: Disk, told: Told) -> bool:
    """Look at the store on a disk that works again."""
    disk.fail_at(0, CardError())
    if not card.whole(disk):
        return False
    with card.opened(disk) as conversations:
        try:
            found = await conversations.transcript(SESSION, PERSON, 100)
        except EdgeError:
            found = []
    return not told.missing(found)


def measure(setting: Setting) -> Iterator[Result]:
    """Fail as a broken card does, then as a full one."""
    card, step = Card(), setting.count(1, 3)
    broken = asyncio.run(fail_each(card, errno.EIO, step))
    full = asyncio.run(fail_each(card, errno.ENOSPC, step))
    which = "operation" if step == 1 else f"{step}rd operation"
    yield HARMED.measured(
        broken.harmed + full.harmed,
        f"n={broken.runs} runs with an I/O error ({broken.errors} ended with a clear error) and {full.runs} "
        f"with a full disk ({full.errors}), every {which} of two turns",
    )


MEASUREMENTS = (Measurement((HARMED,), measure),)
