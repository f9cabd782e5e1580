"""A damaged or lost database gives way to the newest good backup; it is set aside, never thrown away.

Only a backup under this device's own key counts, so that another device's, or one from before a restore,
never takes the place of what was here. Without one nothing changes: no empty database stands in for a
damaged one.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime
from pathlib import Path

import apsw
import msgspec

from edge_assistant.errors import EdgeError, StoreError
from edge_assistant.store.backup import link_aside, move_in, unpack, verify
from edge_assistant.store.connection import (
    SIDE_FILES,
    SUSPECT,
    check_header,
    connect,
    empty_log,
    lineage_of,
    remove_database,
    side_file,
)
from edge_assistant.store.database import Database
from edge_assistant.store.envelope import Envelope
from edge_assistant.store.files import PRIVATE, write_private
from edge_assistant.store.keys import KeyRing, OpenedKeys, read_envelope
from edge_assistant.store.nightly import NightlyBackup, nightly_backups

logger = logging.getLogger(__name__)

MENDABLE = {"STORE_DAMAGED", "STORE_WRONG_KEY", "KEY_DAMAGED", "KEY_MISSING"}
"""STORE_WRONG_KEY among them, as it is also what damaged first bytes look like; a backup under the key
of this device then tells which."""

HEALING = "-healing"
"""A file beside a database that is being replaced: cut off, it is replaced again."""

BEGUN = "-begun"
"""A file beside a database that was there once: if it is missing then, it is lost and none is made."""

BEFORE_UPDATE = ".before-update"
"""A copy beside the database from before an update (update/keepsake.py), as long as that is on probation."""

SET_ASIDE = 2
"""Damaged databases that are kept."""

_REPORT = "healed.json"


class Healed(msgspec.Struct, frozen=True, kw_only=True):
    """What was done about a damaged store."""

    at: float
    """UNIX seconds."""
    reason: str
    """The code of what was wrong; LOST when there was no database at all."""
    aside: str
    """Name of the damaged database beside the new one; empty when there was none."""
    backup: str
    """Name of the backup that took its place."""
    made_at: str
    """When that was made, local time in ISO 8601: what came later is only in what was set aside."""


class Opened(msgspec.Struct, frozen=True):
    """An open store."""

    database: Database
    recovery_code: str | None
    """Made now, to be shown once; else None."""


async def open_store(path: Path, ring: KeyRing, nightly: Path) -> Opened:
    """Open the database at `path`, healed from a backup in the folder `nightly` when that is needed.

    Raises what `KeyRing.open` and `Database.open` raise when it can't be healed.
    """
    lost, has_keys = _lost(path, ring, nightly), ring.envelope_path.exists()
    healed = ((lost and has_keys) or side_file(path, HEALING).exists()) and heal(
        path, ring, nightly, "LOST" if lost else "STORE_DAMAGED"
    )
    if lost and not healed:
        raise StoreError(
            "STORE_DAMAGED",
            f"{path} is missing and no whole backup of it is in {nightly}; restore another one, or move "
            f"{path.parent} away to begin anew",
        )
    try:
        return await _open(path, ring)
    except StoreError as error:
        if error.code == "STORE_NEWER" and take_back(path, ring):
            return await _open(path, ring)
        if error.code not in MENDABLE or not heal(path, ring, nightly, error.code):
            raise
    return await _open(path, ring)


async def _open(path: Path, ring: KeyRing) -> Opened:
    keys: OpenedKeys = ring.open(path)
    opened = Opened(await Database.open(path, keys.data_key), keys.recovery_code)
    side_file(path, BEGUN).touch(PRIVATE)
    return opened


def _lost(path: Path, ring: KeyRing, nightly: Path) -> bool:
    """Tell whether the database is gone although it was there, as its mark, or its keys and backups, tell."""
    if path.exists():
        return False
    if side_file(path, BEGUN).exists():
        return True
    return ring.envelope_path.exists() and bool(nightly_backups(nightly, lineage_of(ring.unlock())))


def heal(path: Path, ring: KeyRing, nightly: Path, reason: str) -> bool:
    """Replace the database by the newest backup that is whole and ours; return whether there was one."""
    copy = path.with_name(path.name + ".heal")
    try:
        if reason.startswith("KEY_"):
            return _mend_keys(path, ring, nightly, copy)
        data_key = ring.unlock()
        backup = _newest_good(nightly, data_key, copy)
        if backup is None:
            logger.error("no backup can take the place of the damaged database: %s", reason)
            return False
        side_file(path, HEALING).touch()
        aside = link_aside(path, ring, "damaged")
        existed = path.exists()
        move_in(copy, path, aside)
        _write_report(path, Healed(
            at=time.time(), reason=reason, aside=aside.name if existed else "",
            backup=backup.path.name, made_at=backup.made_at.isoformat(),
        ))  # fmt: skip
        side_file(path, SUSPECT).unlink(missing_ok=True)
        side_file(path, HEALING).unlink(missing_ok=True)
        _forget_older(path)
    finally:
        remove_database(copy)
    logger.error("the database was damaged and is restored from the backup of %s", backup.made_at)
    return True


def take_back(path: Path, ring: KeyRing) -> bool:
    """Put the copy from before an update in the place of a database that it made too new for this version.

    The newer one is set aside as `assistant.db.newer`. Returns whether there was a copy.
    """
    copy = side_file(path, BEFORE_UPDATE)
    if not copy.exists():
        return False
    connection = connect(copy, ring.unlock())
    try:
        empty_log(connection)
    finally:
        connection.close()
    for name in SIDE_FILES:
        side_file(copy, name).unlink(missing_ok=True)
    aside = link_aside(path, ring, "newer")
    move_in(copy, path, aside)
    logger.warning("the store is again as it was before an update that was taken back")
    return True


def best_backup(path: Path, ring: KeyRing, nightly: Path) -> NightlyBackup | None:
    """Return the backup that would take the place of the database; reads all of it."""
    copy = path.with_name(path.name + ".heal")
    try:
        return _newest_good(nightly, ring.unlock(), copy)
    finally:
        remove_database(copy)


def _newest_good(nightly: Path, data_key: bytes, copy: Path) -> NightlyBackup | None:
    """Unpack the newest whole backup under `data_key` to `copy`."""
    for backup in nightly_backups(nightly, lineage_of(data_key)):
        try:
            unpack(backup.path, copy)
            verify(copy, data_key, backup.path)
        except (EdgeError, apsw.Error, OSError) as error:
            logger.warning(
                "%s can't be used: %s", backup.path.name, getattr(error, "code", type(error).__name__)
            )
            continue
        return backup
    return None


def _mend_keys(path: Path, ring: KeyRing, nightly: Path, copy: Path) -> bool:
    """Put keys.json back from the newest backup whose keys fit device and database."""
    if not path.exists():
        return False
    for backup in nightly_backups(nightly):
        try:
            content = unpack(backup.path, copy)
            envelope: Envelope = read_envelope(content, backup.path.name)
            check_header(path, ring.unlock_other(envelope))
        except (EdgeError, OSError):
            continue
        if ring.envelope_path.exists():
            ring.envelope_path.replace(ring.envelope_path.with_name(ring.envelope_path.name + ".damaged"))
        write_private(ring.envelope_path, content)
        logger.error("the keys were damaged and are restored from the backup of %s", backup.made_at)
        return True
    return False


def read_report(path: Path) -> Healed | None:
    """Return what was done about the database at `path`, until `dismiss_report`."""
    try:
        return msgspec.json.decode(path.with_name(_REPORT).read_bytes(), type=Healed)
    except (OSError, msgspec.DecodeError):
        return None


def dismiss_report(path: Path) -> None:
    """Take note that a person has seen it."""
    path.with_name(_REPORT).unlink(missing_ok=True)


def _write_report(path: Path, healed: Healed) -> None:
    write_private(path.with_name(_REPORT), msgspec.json.encode(healed) + b"\n")


def _forget_older(path: Path) -> None:
    """Remove damaged databases beyond the newest: a card that dies slowly must not fill itself."""
    found = [file for file in path.parent.glob(f"{path.name}.damaged*") if _is_base(file, path)]
    for old in sorted(found, key=lambda file: file.stat().st_ctime, reverse=True)[SET_ASIDE:]:
        for file in path.parent.glob(f"{old.name}*"):
            if file == old or file.name.removeprefix(old.name) in {"-wal", "-shm", ".keys.json"}:
                file.unlink(missing_ok=True)


def _is_base(file: Path, path: Path) -> bool:
    number = file.name.removeprefix(f"{path.name}.damaged")
    return number == "" or number.removeprefix("-").isdecimal()


def restored_words(healed: Healed) -> str:
    """Return what a person should know about it, in one line."""
    when = datetime.fromisoformat(healed.made_at)
    kept = f"; what came later is in {healed.aside}" if healed.aside else ""
    return f"the store was damaged and is restored from the backup of {when:%Y-%m-%d %H:%M}{kept}"
