"""Backups: the encrypted database and its sealed keys in one file, opened by the recovery code.

The archive is an uncompressed tar of exactly two files. Nothing in it is readable without the
recovery code that was valid when it was made, or the device key of the device that made it.
"""

from __future__ import annotations

import asyncio
import io
import logging
import os
import shutil
import tarfile
import time
from collections.abc import Mapping
from pathlib import Path

import apsw

from edge_assistant.errors import StoreError
from edge_assistant.store.connection import (
    check_header,
    check_pages,
    connect,
    remove_database,
    side_file,
)
from edge_assistant.store.database import Database
from edge_assistant.store.failure import plain_errors
from edge_assistant.store.files import PRIVATE, make_folder, sync_file, sync_folder
from edge_assistant.store.keys import ENVELOPE_BYTES, KeyRing, open_by_code, read_envelope
from edge_assistant.store.lock import StateLock
from edge_assistant.store.migrations import MIGRATIONS

logger = logging.getLogger(__name__)

DATABASE_MEMBER = "assistant.db"
KEYS_MEMBER = "keys.json"
DATABASE_LIMIT_BYTES = 64 * 1024**3


async def back_up(database: Database, keys: Path, target: Path) -> int:
    """Write a backup of `database` and its `keys` file to `target` and return its size in bytes.

    Reading and writing go on meanwhile; the backup holds one state of the database. `target`
    appears only when it is complete and checked. Raises BACKUP_EXISTS, STORE_FULL, STORE_UNAVAILABLE.
    """
    _refuse_existing(target)
    copy = target.with_name(target.name + ".db-part")
    with plain_errors(target):
        async with database.copies:
            try:
                await database.copy_to(copy)
                size = await asyncio.to_thread(pack, copy, keys, target)
            finally:
                remove_database(copy)
            await database.write(lambda db: _note(db, target))
    return size


def _note(db: apsw.Connection, target: Path) -> None:
    """Keep where a backup lies: what is forgotten later must be forgotten there, too."""
    query = "INSERT OR REPLACE INTO backups(path, made_at) VALUES(?, ?)"
    db.execute(query, (str(target.absolute()), time.time()))


def _refuse_existing(target: Path) -> None:
    if target.exists() or target.is_symlink():
        raise StoreError("BACKUP_EXISTS", f"{target} is there already; give the backup another name")


def pack(copy: Path, keys: Path, target: Path) -> int:
    """Put a database and its keys.json into the archive `target`, whole or not at all; return its size."""
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE), "wb") as file:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
                _add(archive, KEYS_MEMBER, keys)
                _add(archive, DATABASE_MEMBER, copy)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    sync_folder(target.parent)
    return target.stat().st_size


def _add(archive: tarfile.TarFile, name: str, path: Path) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = path.stat().st_size, PRIVATE, int(path.stat().st_mtime)
    with path.open("rb") as file:
        archive.addfile(member, file)


def restore(
    archive: Path, recovery_code: str, folder: Path, environ: Mapping[str, str] = os.environ
) -> Path | None:
    """Put the backup in the place of the database in `folder`; return where the old one is now, or None.

    Checks all of the backup first. Raises STATE_IN_USE, BACKUP_DAMAGED, STORE_NEWER,
    RECOVERY_CODE_MISTYPED, RECOVERY_CODE_WRONG, STORE_FULL; then nothing was changed.
    """
    make_folder(folder)
    copy = folder / (DATABASE_MEMBER + ".restore")
    with StateLock(folder / "lock"), plain_errors(folder / DATABASE_MEMBER):
        try:
            envelope = read_envelope(unpack(archive, copy), f"{KEYS_MEMBER} in {archive}")
            data_key = open_by_code(envelope, recovery_code)
            verify(copy, data_key, archive)
            ring = KeyRing(folder, environ)
            ring.device_key()  # fails before anything is moved
            return _replace(copy, data_key, recovery_code, ring)
        finally:
            remove_database(copy)


def unpack(archive: Path, copy: Path) -> bytes:
    """Write the database of `archive` to `copy` and return its keys.json; names in it are never paths."""
    try:
        with tarfile.open(archive, "r:") as members:
            keys = _member(members, KEYS_MEMBER, ENVELOPE_BYTES).read()
            source = _member(members, DATABASE_MEMBER, DATABASE_LIMIT_BYTES)
            remove_database(copy)
            with os.fdopen(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE), "wb") as file:
                shutil.copyfileobj(source, file, 1024 * 1024)
                file.flush()
                os.fsync(file.fileno())
            return keys
    except FileNotFoundError:
        raise StoreError("BACKUP_MISSING", f"there is no file {archive}") from None
    except (tarfile.TarError, EOFError) as error:
        raise _damaged(archive) from error


def _member(members: tarfile.TarFile, name: str, limit: int) -> io.BufferedReader:
    member = members.next()
    if member is None or member.name != name or not member.isreg() or member.size > limit:
        raise tarfile.ReadError(f"expected {name}")
    file = members.extractfile(member)
    if file is None:
        raise tarfile.ReadError(f"{name} has no content")
    return file  # type: ignore[return-value]  # an ExFileObject is a BufferedReader


def verify(copy: Path, data_key: bytes, archive: Path) -> None:
    """Raise unless `copy` is a whole database under `data_key` that this version can read."""
    try:
        check_header(copy, data_key)
        connection = connect(copy, data_key)
        try:
            check_pages(connection, copy)
            version = int(connection.pragma("user_version"))
        finally:
            connection.close()
    except (StoreError, apsw.CorruptError, apsw.NotADBError) as error:
        raise _damaged(archive) from error
    if version > len(MIGRATIONS):
        raise StoreError("STORE_NEWER", f"{archive} is of a newer Edge Assistant; install that first")


def _damaged(archive: Path) -> StoreError:
    return StoreError("BACKUP_DAMAGED", f"{archive} is not a whole backup; use another one")


def _replace(copy: Path, data_key: bytes, recovery_code: str, ring: KeyRing) -> Path | None:
    """Set the old files aside under new names, then move the new ones in.

    The keys go first: cut off in between, the next start finds keys and database that don't fit,
    says so and changes nothing; restoring again repairs it.
    """
    database = copy.with_name(DATABASE_MEMBER)
    aside = link_aside(database, ring, "before-restore")
    existed = database.exists()
    ring.install(data_key, recovery_code)
    move_in(copy, database, aside)
    logger.info("backup restored: %d bytes", database.stat().st_size)
    return aside if existed else None


def link_aside(database: Path, ring: KeyRing, why: str) -> Path:
    """Give the database, if there is one, and its keys another name `assistant.db.WHY` besides; return it."""
    aside = _free_name(database, why)
    if ring.envelope_path.exists():
        os.link(ring.envelope_path, aside.with_name(aside.name + ".keys.json"))
    if database.exists():
        os.link(database, aside)
    sync_folder(database.parent)
    return aside


def move_in(copy: Path, database: Path, aside: Path) -> None:
    """Put `copy` in the place of the database, whose log goes to where it was set aside."""
    log = side_file(database, "-wal")
    if log.exists():  # it would be replayed into the new database
        log.rename(side_file(aside, "-wal"))
    side_file(database, "-shm").unlink(missing_ok=True)
    sync_file(copy)
    copy.replace(database)
    sync_folder(database.parent)


def _free_name(database: Path, why: str) -> Path:
    """Return the first of `assistant.db.WHY`, `…-2`, … of which nothing exists."""
    base = database.with_name(f"{database.name}.{why}")
    number = 1
    while any(base.parent.glob((name := base.name if number == 1 else f"{base.name}-{number}") + "*")):
        number += 1
    return base.with_name(name)
