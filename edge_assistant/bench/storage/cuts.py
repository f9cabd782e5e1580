"""Power is cut in the middle of writing, a thousand times; what was acknowledged must be there."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from edge_assistant.bench.goal import Goal, Result
from edge_assistant.bench.measurement import Measurement, Setting
from edge_assistant.bench.storage.disk import Disk
from edge_assistant.bench.storage.script import PERSON, SESSION, Card, Told
from edge_assistant.errors import EdgeError, StoreError

CUTS, QUICK_CUTS = 1000, 150
CUTS_A_DISK = 25
"""Cuts that one disk lives through, one after the other, before a fresh one takes its place."""

TURNS = 3
"""Turns told in each life: two commits each, and a checkpoint or two."""

LOSING_CUTS = 100
"""Cuts without synchronous writing: enough to see that the harness can fail."""

CORRUPT = Goal(
    metric="stores that were not whole after a power cut",
    unit="stores",
    text="1,000 cuts, 0 corrupt",
    at_most=0,
)
LOST = Goal(
    metric="acknowledged writes that were gone after a power cut",
    unit="writes",
    text="1,000 cuts, 0 acknowledged writes lost",
    at_most=0,
)
REPORTED = Goal(
    metric="the same with synchronous=OFF: cuts that lost or corrupted something",
    unit="cuts",
    text="with synchronous=OFF the same harness must report losses",
    at_least=1,
)


@dataclass
class Losses:
    """What cuts did."""

    cuts: int = 0
    corrupt: int = 0
    lost: int = 0
    harmful: int = 0
    """Cuts after which something was lost or corrupt."""
    acknowledged: int = 0
    met_checkpoints: int = 0
    """Cuts while the database itself had unsynced pages."""


async def cut(card: Card, cuts: int, chance: random.Random, synchronous: str = "full") -> Losses:
    """Cut the power `cuts` times and return what that did."""
    losses, names = Losses(), (f"t{number}" for number in itertools.count())
    span = await _changes_in_a_life(card, synchronous)
    while losses.cuts < cuts:
        disk, told = card.disk(), Told()
        for _ in range(min(CUTS_A_DISK, cuts - losses.cuts)):
            disk.cut_power_at(chance.randint(1, span))
            with suppress(StoreError), card.opened(disk, synchronous=synchronous) as conversations:
                await told.tell(conversations, names, TURNS)
            losses.met_checkpoints += bool(disk.files["assistant.db"].unsynced)
            disk.power_back(chance)
            losses.cuts += 1
            if not await _as_acknowledged(card, disk, told, losses):
                break  # a harmed store counts once
        losses.acknowledged += len(told.begun) + len(told.finished)
    return losses


async def _as_acknowledged(card: Card, disk: Disk, told: Told, losses: Losses) -> bool:
    """Look at what a cut left, as the next start does."""
    if not card.whole(disk):
        losses.corrupt += 1
        losses.harmful += 1
        return False
    with card.opened(disk) as conversations:
        try:
            found = await conversations.transcript(SESSION, PERSON, 100_000)
        except EdgeError as error:
            if error.code != "SESSION_NOT_FOUND":
                raise
            found = []
    missing = told.missing(found)
    losses.lost += len(missing)
    losses.harmful += bool(missing)
    return not missing


async def _changes_in_a_life(card: Card, synchronous: str) -> int:
    """Return how many changes a whole life makes; one more, so that some lives end without a cut."""
    disk = card.disk()
    with card.opened(disk, synchronous=synchronous) as conversations:
        await Told().tell(conversations, iter(map(str, range(TURNS))), TURNS)
    return disk.changes + 1


def measure(setting: Setting) -> Iterator[Result]:
    """Cut with synchronous writing, then without."""
    card, seed = Card(), random.randrange(1 << 32)  # noqa: S311 - said in the note, to do it again
    losses = asyncio.run(cut(card, setting.count(CUTS, QUICK_CUTS), random.Random(seed)))  # noqa: S311
    note = (
        f"n={losses.cuts} cuts at any write, sync, truncation or deletion of {TURNS} turns and their "
        f"checkpoints, {losses.met_checkpoints} of them in a checkpoint; {losses.acknowledged:,} writes "
        f"acknowledged; sectors with unsynced bytes kept, dropped or garbled; seed {seed}"
    )
    yield CORRUPT.measured(losses.corrupt, note)
    yield LOST.measured(losses.lost, note)
    without = asyncio.run(cut(card, setting.count(LOSING_CUTS, 40), random.Random(seed), "off"))  # noqa: S311
    yield REPORTED.measured(
        without.harmful,
        f"n={without.cuts} cuts: {without.corrupt} stores corrupt, {without.lost} acknowledged writes gone",
    )


MEASUREMENTS = (Measurement((CORRUPT, LOST, REPORTED), measure),)
