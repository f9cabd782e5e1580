"""The store opened, healed where that is needed, and backed up every night."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path

from edge_assistant.config import Config, Paths
from edge_assistant.errors import EdgeError
from edge_assistant.ops.notices import Notices
from edge_assistant.store.connection import SUSPECT, side_file
from edge_assistant.store.database import Database
from edge_assistant.store.heal import (
    Opened,
    best_backup,
    dismiss_report,
    open_store,
    read_report,
    restored_words,
)
from edge_assistant.store.keys import KeyRing
from edge_assistant.store.nightly import NightlyBackups, Rotation
from edge_assistant.wiring.tasks import begin
from edge_assistant.workers.background import Background

logger = logging.getLogger(__name__)

SETTLE_SECONDS = 900.0
"""A device that was just started is left to its people before its first backup."""

LOOK_SECONDS = 600.0
"""How often it is looked whether one is due: so a clock that jumps is no matter."""

RESTORED, DAMAGED, FAILED = "STORE_RESTORED", "STORE_DAMAGED", "BACKUP_FAILED"
"""Codes of notices."""


def backups_folder(config: Config, paths: Paths) -> Path:
    """Return where the nightly backups lie."""
    return Path(config.backups.folder) if config.backups.folder else paths.state / "backups"


async def open_healed(config: Config, paths: Paths, ring: KeyRing, notices: Notices) -> Opened:
    """Open the store; that a damaged one was restored is said until a person has read it."""
    opened = await open_store(paths.database, ring, backups_folder(config, paths))
    if (healed := read_report(paths.database)) is not None:
        words = restored_words(healed)
        notices.show(RESTORED, words, lambda: dismiss_report(paths.database))
        logger.warning("the store was healed: %s", words)
    return opened


async def start_backups(
    stack: AsyncExitStack,
    config: Config,
    paths: Paths,
    *,
    database: Database,
    ring: KeyRing,
    notices: Notices,
    background: Background,
    restart: Callable[[], None],
) -> NightlyBackups | None:
    """Back up every night and watch for damage; None when `backups.enabled` is off."""
    settings = config.backups
    folder = backups_folder(config, paths)
    begin(stack, _watch_for_damage(database, ring, folder, notices, restart), "store damage")
    if not settings.enabled:
        return None
    rotation = Rotation(hour=settings.hour, days=settings.keep_days, weeks=settings.keep_weeks)
    backups = NightlyBackups(database, ring.envelope_path, folder, rotation)
    begin(stack, _every_night(backups, notices, background), "nightly backups")
    return backups


async def _every_night(backups: NightlyBackups, notices: Notices, background: Background) -> None:
    await asyncio.sleep(SETTLE_SECONDS)
    while True:
        await background.turn()
        await back_up_when_due(backups, notices, datetime.now().astimezone().replace(tzinfo=None))
        await asyncio.sleep(LOOK_SECONDS)


async def back_up_when_due(backups: NightlyBackups, notices: Notices, now: datetime) -> None:
    """Make the night's backup when it is time; a failure is said until one succeeds."""
    try:
        if await backups.due(now):
            await backups.make(now)
        notices.clear(FAILED)
    except (EdgeError, OSError) as error:  # the next look tries again, whatever the disk says
        logger.error("no nightly backup: %s", error)  # noqa: TRY400 - the line says all
        reason = error.message if isinstance(error, EdgeError) else error
        notices.show(FAILED, f"the nightly backup failed: {reason}")


async def _watch_for_damage(
    database: Database, ring: KeyRing, folder: Path, notices: Notices, restart: Callable[[], None]
) -> None:
    """Have the store healed at a new start once damage shows, when there is a backup to heal it from."""
    while True:
        await database.damage.wait()
        if await _is_whole(database):
            logger.warning("the store was misread once: every page of it is whole")
        elif await asyncio.to_thread(best_backup, database.path, ring, folder):
            logger.error("the database is damaged: starting anew to restore it")
            side_file(database.path, SUSPECT).touch()
            restart()
            return
        else:
            logger.error("the database is damaged, and there is no backup to restore it from")
            notices.show(
                DAMAGED, "the store is damaged in places and there is no good backup to restore it from"
            )
            return
        database.damage.clear()


async def _is_whole(database: Database) -> bool:
    try:
        await database.check()
    except EdgeError as error:
        return error.code != "STORE_DAMAGED"
    return True
