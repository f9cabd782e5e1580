"""Encrypted SQLite connections: key first, then check, then everything else.

Cipher: ChaCha20-Poly1305 a page (SQLite3 Multiple Ciphers), raw 256-bit key, so no key derivation.
The first 16 bytes of the file, which the cipher stores in the clear as a salt that a raw key does not
need, are derived from the key: they tell a wrong key from a damaged file before SQLite touches it.
"""

from __future__ import annotations

import contextlib
import hmac
import importlib.util
import os
from pathlib import Path

import apsw

from edge_assistant.errors import StoreError
from edge_assistant.store.failure import damaged
from edge_assistant.store.files import PRIVATE, sync_file, sync_folder

KEY_BYTES = 32
SALT_BYTES = 16
MINIMUM_BYTES = 512
"""SQLite's smallest page. It takes a shorter file for a new database; ours are created complete."""

CHECKED_BYTES = 16 * 1024 * 1024
"""Databases up to this size are read through at every start, larger ones when asked."""

BUSY_MILLISECONDS = 5000
CACHE_KIB = 1024
WAL_KEPT_BYTES = 4 * 1024 * 1024

SIDE_FILES = ("-wal", "-shm")
SUSPECT = "-suspect"
"""A file beside a database that shall be read through at its next opening, whatever its size."""


def key_salt(key: bytes) -> bytes:
    """Return the 16 bytes that a database under `key` starts with."""
    return hmac.digest(key, b"edge-assistant database salt", "sha256")[:SALT_BYTES]


def lineage_of(key: bytes) -> str:
    """Return 8 hexadecimal digits that tell the databases under `key` from others; no secret."""
    return key_salt(key).hex()[:8]


def side_file(path: Path, suffix: str) -> Path:
    """Return the path of SQLite's log (`-wal`) or its index (`-shm`) beside `path`."""
    return path.with_name(path.name + suffix)


def connect(
    path: Path, key: bytes, *, read_only: bool = False, file_system: str | None = None
) -> apsw.Connection:
    """Open a connection to `path` under `key`, set up the same way everywhere.

    It does not checkpoint when closed: only a connection that proved healthy may do so. `file_system` is
    the name of an apsw VFS in the place of the system's, as simulations have it; one connection is all
    that may then be open.

    `psow=0`: a power cut while a card writes may garble the whole sector, also what an earlier commit
    put there. SQLite then lets each commit end on a sector of its own; `bench storage` shows the need.
    """
    connection = apsw.Connection(
        f"{path.absolute().as_uri()}?psow=0",
        flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_URI,
        vfs=f"multipleciphers-{file_system}" if file_system else None,
    )
    try:
        if file_system:  # which has no memory to share
            connection.pragma("locking_mode", "exclusive")
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        connection.pragma("cipher", "chacha20")
        connection.pragma("key", "raw:" + (key + key_salt(key)).hex())
        connection.set_busy_timeout(BUSY_MILLISECONDS)
        connection.pragma("temp_store", "memory")  # temporary files would not be encrypted
        connection.pragma("synchronous", "full")
        connection.pragma("secure_delete", "on")
        connection.pragma("foreign_keys", "on")
        connection.pragma("cache_size", -CACHE_KIB)
        connection.pragma("journal_size_limit", WAL_KEPT_BYTES)
        load_vectors(connection)
        if read_only:
            connection.pragma("query_only", "on")
    except BaseException:
        connection.close()
        raise
    return connection


def load_vectors(connection: apsw.Connection) -> None:
    """Give `connection` the functions and tables of sqlite-vec; no other extension can be loaded later."""
    connection.enable_load_extension(True)
    try:
        connection.load_extension(_sqlite_vec())
    finally:
        connection.enable_load_extension(False)


def _sqlite_vec() -> str:
    """Return where the extension lies; its Python package is not imported, as that loads numpy."""
    spec = importlib.util.find_spec("sqlite_vec")
    assert spec is not None
    assert spec.submodule_search_locations
    return str(Path(spec.submodule_search_locations[0]) / "vec0")


def open_checked(path: Path, key: bytes) -> apsw.Connection:
    """Open the database at `path` for writing, creating it when there is none.

    Raises STORE_WRONG_KEY or STORE_DAMAGED and leaves every file as it was.
    """
    if not path.exists():
        create_database(path, key)
    check_header(path, key)
    connection = connect(path, key)
    try:
        connection.pragma("schema_version")  # reads the first page
        suspect = side_file(path, SUSPECT)
        if path.stat().st_size <= CHECKED_BYTES or suspect.exists():
            check_pages(connection, path)
            suspect.unlink(missing_ok=True)
        empty_log(connection)
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)
    except BaseException:
        connection.close()
        raise
    return connection


def empty_log(connection: apsw.Connection) -> None:
    """Move what a crash left in the log into the database, before anything is added to it.

    After a power cut the last commit may end within a sector: the next one, cut off, could garble it.
    """
    with contextlib.suppress(apsw.BusyError, apsw.FullError):  # it is tried again at every checkpoint
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)


def create_database(path: Path, key: bytes) -> None:
    """Create an empty database at `path` whole: a crash leaves either nothing there or all of it."""
    if side_file(path, "-wal").exists():
        raise StoreError(
            "STORE_DAMAGED", f"{path} is missing but its log is there; put it back, or restore a backup"
        )
    new = path.with_name(path.name + ".new")
    try:
        connection = _connect_new(new, key)
        try:
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)
            connection.pragma("journal_mode", "wal")
        finally:
            connection.close()
        sync_file(new)
        new.rename(path)
    finally:
        remove_database(new)
    sync_folder(path.parent)


def copy_database(source: apsw.Connection, target: Path, key: bytes) -> None:
    """Copy one state of the database behind `source` to `target` and check the copy.

    All pages go in one step: `source` reads one state of the log however many writers go on.
    """
    connection = _connect_new(target, key)
    try:
        with connection.backup("main", source, "main") as backup:
            backup.step(-1)
        check_pages(connection, target)
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)
    finally:
        connection.close()


def _connect_new(path: Path, key: bytes) -> apsw.Connection:
    remove_database(path)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE))
    return connect(path, key)


def remove_database(path: Path) -> None:
    """Remove a database file and what SQLite keeps beside it."""
    for name in (path, *(side_file(path, suffix) for suffix in SIDE_FILES)):
        name.unlink(missing_ok=True)


def check_header(path: Path, key: bytes) -> None:
    """Raise unless `path` starts as a database under `key` does; opens nothing for writing."""
    with path.open("rb") as file:
        salt = file.read(SALT_BYTES)
    if path.stat().st_size < MINIMUM_BYTES:
        raise damaged(path)
    if not hmac.compare_digest(salt, key_salt(key)):
        raise StoreError(
            "STORE_WRONG_KEY",
            f"{path} was written under another key, or its first bytes are damaged; it was left as it is: "
            "put back the device key or keys.json that belong to it, or restore a backup",
        )


def check_pages(connection: apsw.Connection, path: Path) -> None:
    """Read every page; raise STORE_DAMAGED when one is not what was written."""
    if connection.execute("PRAGMA quick_check(1)").fetchall() != [("ok",)]:
        raise damaged(path)
