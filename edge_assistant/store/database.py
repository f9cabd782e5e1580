"""The encrypted database: one writer thread, a few readers, every write durable when it returns."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self, TypeVar

import apsw

from edge_assistant.errors import StoreError
from edge_assistant.store.connection import (
    BUSY_MILLISECONDS,
    check_pages,
    connect,
    copy_database,
    lineage_of,
    open_checked,
)
from edge_assistant.store.failure import plain_errors
from edge_assistant.store.files import make_folder
from edge_assistant.store.migrations import MIGRATIONS, Migration, migrate

logger = logging.getLogger(__name__)

T = TypeVar("T")
Work = Callable[[apsw.Connection], T]

READERS = 2
PLACES = 64
"""Callers that may wait for a lane at once; more wait before they are let in."""

CHECKPOINT_MILLISECONDS = 200


class Lane:
    """A few named threads, each with a connection of its own, made when it is first needed."""

    def __init__(self, name: str, threads: int, connect: Callable[[], apsw.Connection]) -> None:
        self._connect = connect
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._places = asyncio.Semaphore(PLACES)
        self._local = threading.local()
        self._connections: list[apsw.Connection] = []

    async def run(self, work: Work[T]) -> T:
        """Do `work` on a thread of this lane.

        Cancelled while it waits, the work is never begun; cancelled later, it still runs to its end.
        """
        async with self._places:
            return await asyncio.wrap_future(self._threads.submit(self._work, work))

    def _work(self, work: Work[T]) -> T:
        if not hasattr(self._local, "connection"):
            self._local.connection = self._connect()
            self._connections.append(self._local.connection)
        return work(self._local.connection)

    def close(self) -> None:
        """Finish what was begun, then close the connections; blocks."""
        self._threads.shutdown()
        for connection in self._connections:
            connection.close()


class Database:
    """An open database; make one with `await Database.open(path, key)`.

    Functions given to `read` and `write` run on another thread inside one transaction. They return
    plain data, never a cursor, and never keep the connection.
    """

    def __init__(self, path: Path, key: bytes, migrations: Sequence[Migration] = MIGRATIONS) -> None:
        self.path = path
        self._migrations = migrations
        self._key = key
        self.lineage = lineage_of(key)
        """Tells its backups from those of others; a restored database keeps it."""
        self._closed = False
        self.copies = asyncio.Lock()
        """Held while a copy is made, and while something is forgotten in all copies: none escapes."""
        self.damage = asyncio.Event()
        """Set once something read was not what was written."""
        self._writer = Lane("store-writer", 1, self._open_writer)
        self._readers = Lane("store-reader", READERS, lambda: connect(path, key, read_only=True))
        self._scanner = Lane("store-scanner", 1, lambda: connect(path, key, read_only=True))

    @classmethod
    async def open(cls, path: Path, key: bytes, migrations: Sequence[Migration] = MIGRATIONS) -> Self:
        """Open or create the database at `path` under the 32-byte `key` and bring it up to date.

        Whoever keeps something else than the assistant does names steps of its own.

        Raises `StoreError`: STORE_WRONG_KEY, STORE_DAMAGED, STORE_NEWER, STORE_FULL,
        STORE_UNAVAILABLE; then no file was changed.
        """
        make_folder(path.parent)
        database = cls(path, key, migrations)
        try:
            await database._run(database._writer, lambda _: None)
        except BaseException:
            await database.close()
            raise
        return database

    def _open_writer(self) -> apsw.Connection:
        connection = open_checked(self.path, self._key)
        try:
            applied = migrate(connection, self._migrations)
        except BaseException:
            connection.close()
            raise
        logger.info("database open: %d bytes, %d migrations applied", self.path.stat().st_size, applied)
        return connection

    async def read(self, work: Work[T]) -> T:
        """Do `work` on one consistent state of the database, beside writers."""
        return await self._run(self._readers, lambda connection: in_transaction(connection, "BEGIN", work))

    async def scan(self, work: Work[T]) -> T:
        """Do `work` as `read` does, on a lane of its own: it goes through much of the database.

        It may raise its connection's cache size, and never holds up quick readers.
        """
        return await self._run(self._scanner, lambda connection: in_transaction(connection, "BEGIN", work))

    async def write(self, work: Work[T]) -> T:
        """Do `work` as one transaction that is on the disk when this returns.

        An error rolls it back whole; STORE_FULL leaves the database usable. When the caller is
        cancelled the transaction happens whole or not at all.
        """
        return await self._run(
            self._writer, lambda connection: in_transaction(connection, "BEGIN IMMEDIATE", work)
        )

    async def checkpoint(self) -> bool:
        """Move the log into the database and empty it.

        Returns False when that must wait: a reader still needs the log, or the disk is full.
        """
        return await self._run(self._writer, _checkpoint)

    async def check(self) -> None:
        """Read every page; raise STORE_DAMAGED when one is not what was written."""
        await self._run(self._readers, lambda connection: check_pages(connection, self.path))

    async def copy_to(self, target: Path) -> None:
        """Write one checked state of the database to `target`, under the same key; others go on meanwhile."""
        await self._run(self._readers, lambda connection: copy_database(connection, target, self._key))

    async def close(self) -> None:
        """Finish the running work and close; the database is then one file. Idempotent."""
        if not self._closed:
            self._closed = True
            await asyncio.to_thread(self._close_lanes)

    def _close_lanes(self) -> None:
        self._scanner.close()
        self._readers.close()  # the writer goes last: the last connection empties the log
        self._writer.close()

    async def _run(self, lane: Lane, work: Work[T]) -> T:
        if self._closed:
            raise StoreError("STORE_CLOSED", "the assistant is shutting down; try again when it runs")
        try:
            with plain_errors(self.path):
                return await lane.run(work)
        except StoreError as error:
            if error.code == "STORE_DAMAGED":
                self.damage.set()
            raise


def in_transaction(connection: apsw.Connection, begin: str, work: Work[T]) -> T:
    """Return what `work` returns, committed; any exception rolls back and passes on."""
    connection.execute(begin)
    try:
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite already rolled back after some errors, a full disk among them
            connection.execute("ROLLBACK")
        raise
    return result


def _checkpoint(connection: apsw.Connection) -> bool:
    connection.set_busy_timeout(CHECKPOINT_MILLISECONDS)  # a backup may read for minutes
    try:
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    except (apsw.BusyError, apsw.FullError):  # nothing is lost: SQLite tries again later
        return False
    finally:
        connection.set_busy_timeout(BUSY_MILLISECONDS)
    return True
