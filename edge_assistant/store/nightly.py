"""Backups that are made by themselves, one a night, and how long they are kept.

Their names carry a number that only grows and the time they were made. Order is that of the numbers: a
clock that was wrong for a while, as on a first boot without a network, makes no backup look newest
for ever and costs none of the others. Before it stands what tells the database: devices may share a folder,
and the card's successor, not restored yet, must not rotate the old card's backups away.
"""

from __future__ import annotations

import asyncio
import logging
import re
import shutil
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from edge_assistant.errors import StoreError
from edge_assistant.store.backup import back_up
from edge_assistant.store.database import Database
from edge_assistant.store.files import make_folder, sync_folder

logger = logging.getLogger(__name__)

_NAME = re.compile(r"nightly-([0-9a-f]{8})-(\d{6,12})-(\d{8}T\d{6})\.backup")
_TIME = "%Y%m%dT%H%M%S"

RESERVE_BYTES = 64 * 1024 * 1024
"""Free space that a backup leaves to everything else."""

LEAST_KEPT = 2
"""Backups that are not given up to make room for another one."""


class NightlyBackup(msgspec.Struct, frozen=True):
    """One of them."""

    path: Path
    lineage: str
    """See `Database.lineage`."""
    number: int
    made_at: datetime
    """Local time, as the device's clock said."""


class Rotation(msgspec.Struct, frozen=True, kw_only=True):
    """When one is made, and how many are kept."""

    hour: int
    """Local hour from which on the night's backup is due."""
    days: int
    """The newest of so many days are kept,"""
    weeks: int
    """and the newest of so many weeks."""


def nightly_backups(folder: Path, lineage: str = "") -> list[NightlyBackup]:
    """Return the nightly backups in `folder`, newest first; with `lineage` only those of that database."""
    found = []
    for path in folder.glob("nightly-*.backup") if folder.is_dir() else ():
        if match := _NAME.fullmatch(path.name):
            try:
                made_at = datetime.strptime(match[3], _TIME)  # noqa: DTZ007 - local on purpose
            except ValueError:
                continue
            if lineage in {"", match[1]}:
                found.append(NightlyBackup(path, match[1], int(match[2]), made_at))
    return sorted(found, key=lambda each: each.number, reverse=True)


def is_due(last: datetime | None, now: datetime, hour: int) -> bool:
    """Tell whether a night has begun since the last backup; so does a clock that went back behind it."""
    if last is None or last > now:
        return True
    night = now.replace(hour=hour, minute=0, second=0, microsecond=0)
    if night > now:
        night -= timedelta(days=1)
    return last < night


def superfluous(backups: Sequence[NightlyBackup], rotation: Rotation) -> list[NightlyBackup]:
    """Return those of `backups` (newest first) that nobody wants to keep.

    Days and weeks are those that the backups themselves name, not those before now: a device that was
    off for a year, or whose clock jumped, loses none.
    """
    kept: set[int] = set()
    days: set[object] = set()
    weeks: set[object] = set()
    for backup in backups:
        day, week = backup.made_at.date(), backup.made_at.isocalendar()[:2]
        if day not in days and len(days) < rotation.days:
            days.add(day)
            kept.add(backup.number)
        if week not in weeks and len(weeks) < rotation.weeks:
            weeks.add(week)
            kept.add(backup.number)
    return [backup for backup in backups if backup.number not in kept]


class NightlyBackups:
    """Makes them, one at a time, and removes old ones."""

    def __init__(self, database: Database, keys: Path, folder: Path, rotation: Rotation) -> None:
        self._database = database
        self._keys = keys
        self.folder = folder
        self._rotation = rotation
        self._one_at_a_time = asyncio.Lock()

    async def due(self, now: datetime) -> bool:
        """Tell whether it is time for one."""
        backups = await asyncio.to_thread(nightly_backups, self.folder, self._database.lineage)
        return is_due(backups[0].made_at if backups else None, now, self._rotation.hour)

    async def make(self, now: datetime) -> NightlyBackup:
        """Make one, then remove what is too old.

        Raises BACKUP_NO_ROOM, BACKUP_EXISTS, STORE_DAMAGED, STORE_FULL, STORE_UNAVAILABLE; then those that
        there are stay.
        """
        async with self._one_at_a_time:
            backups = await asyncio.to_thread(self._look)
            await self._make_room(backups)
            number = backups[0].number + 1 if backups else 1
            lineage = self._database.lineage
            path = self.folder / f"nightly-{lineage}-{number:06}-{now.strftime(_TIME)}.backup"
            size = await back_up(self._database, self._keys, path)
            made = NightlyBackup(path, lineage, number, now.replace(microsecond=0, tzinfo=None))
            await self._remove(superfluous([made, *backups], self._rotation))
        logger.info("nightly backup made: %d bytes", size)
        return made

    def _look(self) -> list[NightlyBackup]:
        try:
            make_folder(self.folder)
        except OSError as error:
            raise StoreError(
                "STORE_UNAVAILABLE", f"{self.folder} can't be used for backups: {error}"
            ) from error
        lineage = self._database.lineage
        for left in self.folder.glob(f"nightly-{lineage}-*part*"):  # of one that was cut off
            left.unlink(missing_ok=True)
        return nightly_backups(self.folder, lineage)

    async def _make_room(self, backups: list[NightlyBackup]) -> None:
        """Give up the oldest ones while there is no room for another; raises BACKUP_NO_ROOM."""
        size = await asyncio.to_thread(lambda: self._database.path.stat().st_size)
        needed = 2 * size + RESERVE_BYTES  # the copy, and the archive made of it
        while (await asyncio.to_thread(shutil.disk_usage, self.folder)).free < needed:
            if len(backups) <= LEAST_KEPT:
                raise StoreError(
                    "BACKUP_NO_ROOM",
                    f"a backup needs {needed >> 20} MB of free space in {self.folder}: free some, "
                    "or set backups.folder to a larger disk",
                )
            await self._remove([backups.pop()])

    async def _remove(self, backups: Sequence[NightlyBackup]) -> None:
        paths = [backup.path for backup in backups]
        if not paths:
            return

        def unlink() -> None:
            for path in paths:
                path.unlink(missing_ok=True)
            sync_folder(self.folder)

        await asyncio.to_thread(unlink)
        rows = [(str(path.absolute()),) for path in paths]
        await self._database.write(
            lambda db: db.executemany("DELETE FROM backups WHERE path = ?", rows).close()
        )
        logger.info("%d old backups removed", len(paths))
