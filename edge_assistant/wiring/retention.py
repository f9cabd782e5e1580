"""What is forgotten by itself: messages and memories that are older than `[retention]` allows.

It is the same forgetting as on command, backups and receipt included. A clock that jumps must not make
everything old at once: nothing is erased until wall clock and uptime agreed for an hour.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import Protocol

import msgspec

from edge_assistant.assistant.forgetting import Receipt
from edge_assistant.config import Config, Paths
from edge_assistant.config.schema import Retention
from edge_assistant.errors import EdgeError
from edge_assistant.store.erase import Old, Subject
from edge_assistant.store.files import make_folder, write_private
from edge_assistant.wiring.tasks import begin
from edge_assistant.workers.background import Background

logger = logging.getLogger(__name__)

LOOK_SECONDS = 600.0
STEADY_SECONDS = 3600.0
DRIFT_SECONDS = 60.0
"""A clock that gained or lost more than this between two looks was set."""

NIGHT_HOURS = range(2, 6)
"""Local hours in which people sleep; a device that is off then forgets when it next runs at night."""

DAY_SECONDS = 86_400.0
RECEIPTS = "receipts"
RECEIPTS_KEPT = 100
BY = "retention"
"""In whose name it is forgotten."""


class Forgetter(Protocol):
    """What is needed of forgetting."""

    async def preview(self, subject: Subject) -> dict[str, int]:
        """Return how much would be forgotten."""
        ...

    async def forget(self, subject: Subject, by: str) -> Receipt:
        """Forget it."""
        ...


class NightlyForgetting:
    """Asked now and then; forgets once a night."""

    def __init__(self, rules: Retention, forgetter: Forgetter, folder: Path) -> None:
        """Put receipts into `folder`."""
        self._rules = rules
        self._forgetter = forgetter
        self._folder = folder
        self._offset: float | None = None
        """Wall clock less uptime when it was last looked; None before."""
        self._steady_since = 0.0
        self._done_on = ""

    async def look(self, now: datetime, uptime: float) -> Receipt | None:
        """Forget what is old when it is night and the clock can be believed; return the receipt.

        `now` is aware local time, `uptime` seconds that never jump. Raises `StoreError`.
        """
        offset = now.timestamp() - uptime
        if self._offset is None or abs(offset - self._offset) > DRIFT_SECONDS:
            self._steady_since = uptime
        self._offset = offset
        night = now.date().isoformat()
        if (
            uptime - self._steady_since < STEADY_SECONDS
            or now.hour not in NIGHT_HOURS
            or night == self._done_on
        ):
            return None
        subject = old(self._rules, now.timestamp())
        receipt = None
        if await self._forgetter.preview(subject):
            receipt = await self._forgetter.forget(subject, BY)
            await asyncio.to_thread(self._keep, receipt, night)
        self._done_on = night
        return receipt

    def _keep(self, receipt: Receipt, night: str) -> None:
        make_folder(self._folder)
        write_private(self._folder / f"{night}.json", msgspec.json.format(msgspec.json.encode(receipt)))
        for past in sorted(self._folder.glob("*.json"))[:-RECEIPTS_KEPT]:
            past.unlink()


def old(rules: Retention, now: float) -> Old:
    """Return what the rules let go at `now`, in UNIX seconds."""

    def before(days: int) -> float:
        return now - days * DAY_SECONDS if days else 0.0

    return Old(turns_before=before(rules.history_days), facts_before=before(rules.memory_days))


def start_retention(
    stack: AsyncExitStack, config: Config, paths: Paths, forgetter: Forgetter, background: Background
) -> None:
    """Forget every night until the stack unwinds; nothing when no rule is set."""
    rules = config.retention
    if not rules.history_days and not rules.memory_days:
        return
    nightly = NightlyForgetting(rules, forgetter, paths.state / RECEIPTS)
    begin(stack, _every_night(nightly.look, background), "retention")


async def _every_night(
    look: Callable[[datetime, float], Awaitable[Receipt | None]], background: Background
) -> None:
    while True:
        await background.turn()
        try:
            await look(datetime.now().astimezone(), time.monotonic())
        except (EdgeError, OSError) as error:
            logger.warning("what is old waits for the next look: %s", error)
        await asyncio.sleep(LOOK_SECONDS)
