"""Forgetting in backups: each that is within reach is opened, cleaned, rebuilt and put in its own place.

So are the databases that restoring set aside. What was copied elsewhere can't be reached; the receipt
says which backups those are.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import apsw
import msgspec

from edge_assistant.errors import EdgeError, StoreError
from edge_assistant.store.backup import pack, unpack
from edge_assistant.store.connection import check_header, connect, remove_database, side_file
from edge_assistant.store.database import Database, in_transaction
from edge_assistant.store.envelope import Envelope
from edge_assistant.store.files import write_private
from edge_assistant.store.heal import BEFORE_UPDATE
from edge_assistant.store.keys import KeyRing, read_envelope
from edge_assistant.store.migrations import migrate
from edge_assistant.store.nightly import nightly_backups

logger = logging.getLogger(__name__)

Work = Callable[[apsw.Connection], object]

_ANOTHER_DEVICE = {"KEY_WRONG", "STORE_WRONG_KEY"}
"""Devices may share a folder for their nightly backups."""

State = Literal["erased", "gone", "not reached"]


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """A backup, or a database that was set aside, and whether it was cleaned."""

    path: str
    state: State
    """`gone` when somebody deleted it; `not reached` when it can't be opened now."""
    reason: str = ""
    """Why it was not reached: a code, see docs/errors.md."""


async def erase_in_copies(
    database: Database, keys: KeyRing, work: Work, nightly: Path | None = None
) -> list[Copy]:
    """Do `work` in every copy of the database that this device made and can reach.

    A database that was restored does not know of backups made after its own: those in the folder
    `nightly` are looked for.
    """
    query = "SELECT path FROM backups ORDER BY made_at"
    rows = await database.read(lambda db: db.execute(query).fetchall())
    known = [Path(str(row[0])) for row in rows]
    found = await asyncio.to_thread(nightly_backups, nightly) if nightly else []
    backups = list(dict.fromkeys([*known, *(each.path.absolute() for each in reversed(found))]))
    aside = await asyncio.to_thread(_set_aside, database.path)
    copies = [await asyncio.to_thread(_in_backup, path, keys, work) for path in backups]
    copies = [copy for copy in copies if Path(copy.path) in known or copy.reason not in _ANOTHER_DEVICE]
    copies += [await asyncio.to_thread(_in_database, path, keys, work) for path in aside]
    before_update = side_file(database.path, BEFORE_UPDATE)
    if before_update.exists():
        copies.append(await asyncio.to_thread(_in_copy_before_update, before_update, keys, work))
    gone = [(copy.path,) for copy in copies if copy.state == "gone"]
    if gone:
        await database.write(lambda db: db.executemany("DELETE FROM backups WHERE path = ?", gone).close())
    return copies


def _set_aside(database: Path) -> list[Path]:
    ours = (".keys.json", "-wal", "-shm")
    found = sorted(
        path
        for why in ("before-restore", "damaged", "newer")
        for path in database.parent.glob(f"{database.name}.{why}*")
    )
    return [path for path in found if not path.name.endswith(ours)]


def _in_backup(archive: Path, ring: KeyRing, work: Work) -> Copy:
    if not archive.exists():
        state: State = "gone" if archive.parent.is_dir() else "not reached"
        return Copy(path=str(archive), state=state, reason="" if state == "gone" else "BACKUP_MISSING")
    copy = archive.with_name(archive.name + ".forget")
    keys = archive.with_name(archive.name + ".forget-keys")
    try:
        envelope = unpack(archive, copy)
        _clean(copy, _key_of(read_envelope(envelope, str(archive)), ring), work)
        write_private(keys, envelope)
        pack(copy, keys, archive)
    except (EdgeError, apsw.Error, OSError) as error:
        return _not_reached(archive, error)
    finally:
        remove_database(copy)
        keys.unlink(missing_ok=True)
    return Copy(path=str(archive), state="erased")


def _in_database(path: Path, ring: KeyRing, work: Work) -> Copy:
    """Clean a database that a restore set aside; its log may hold what its pages don't yet."""
    try:
        envelope = path.with_name(path.name + ".keys.json").read_bytes()
        _clean(path, _key_of(read_envelope(envelope, str(path)), ring), work)
    except (EdgeError, apsw.Error, OSError) as error:
        return _not_reached(path, error)
    return Copy(path=str(path), state="erased")


def _in_copy_before_update(path: Path, ring: KeyRing, work: Work) -> Copy:
    """Clean the copy from before an update in its own form: an older version knows no other."""
    try:
        _clean(path, ring.unlock(), work, keep_form=True)
    except (EdgeError, apsw.Error, OSError) as error:
        return _not_reached(path, error)
    return Copy(path=str(path), state="erased")


def _key_of(envelope: Envelope, ring: KeyRing) -> bytes:
    """Return the key of a copy; one from before the card was replaced has that of the present database."""
    try:
        return ring.unlock_other(envelope)
    except StoreError as error:
        if error.code != "KEY_WRONG":
            raise
        return ring.unlock()


def _clean(path: Path, key: bytes, work: Work, *, keep_form: bool = False) -> None:
    check_header(path, key)
    connection = connect(path, key)
    try:
        if not keep_form:
            migrate(connection)
        in_transaction(connection, "BEGIN IMMEDIATE", work)
        connection.execute("VACUUM")
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    finally:
        connection.close()
    for suffix in ("-wal", "-shm"):
        with contextlib.suppress(OSError):
            side_file(path, suffix).unlink(missing_ok=True)


def _not_reached(path: Path, error: Exception) -> Copy:
    code = error.code if isinstance(error, StoreError | EdgeError) else type(error).__name__
    logger.warning("forgetting does not reach %s: %s", path.name, code)
    return Copy(path=str(path), state="not reached", reason=code)
