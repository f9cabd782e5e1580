"""A store on a simulated disk, turns that are told to it, and what must be found of them afterwards."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import apsw

from edge_assistant.bench.storage.disk import Disk
from edge_assistant.bench.storage.file_system import NAME, mounted
from edge_assistant.errors import StoreError
from edge_assistant.memory.conversation import StoredTurn
from edge_assistant.memory.conversations import Conversations
from edge_assistant.store.connection import check_pages, connect, empty_log, open_checked
from edge_assistant.store.database import Database, in_transaction
from edge_assistant.store.failure import plain_errors
from edge_assistant.store.migrations import migrate

T = TypeVar("T")

DATABASE = "assistant.db"
SESSION, PERSON = "s", "me"
PAGES_BETWEEN_CHECKPOINTS = 24
"""So few that a cut meets a checkpoint as often as a commit; by default it is 1,000."""


class OneConnection(Database):
    """The store's reads and writes, its transactions and its errors, all on one connection."""

    def __init__(self, path: Path, connection: apsw.Connection) -> None:
        self.path = path
        self._connection = connection

    async def read(self, work: Callable[[apsw.Connection], T]) -> T:
        """Do `work` on one state."""
        with plain_errors(self.path):
            return in_transaction(self._connection, "BEGIN", work)

    async def write(self, work: Callable[[apsw.Connection], T]) -> T:
        """Do `work` as one transaction."""
        with plain_errors(self.path):
            return in_transaction(self._connection, "BEGIN IMMEDIATE", work)


class Card:
    """A key and an empty store, made once; disks begin with it."""

    def __init__(self) -> None:
        self.key = secrets.token_bytes(32)
        folder = Path(tempfile.mkdtemp(prefix="edge-assistant-bench-"))
        try:
            connection = open_checked(folder / DATABASE, self.key)
            migrate(connection)
            connection.close()
            self._content = (folder / DATABASE).read_bytes()
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def disk(self) -> Disk:
        """Return a disk with the empty store."""
        return Disk({DATABASE: self._content})

    @contextmanager
    def opened(self, disk: Disk, *, synchronous: str = "full") -> Iterator[Conversations]:
        """Open the store on `disk`; raises `StoreError`."""
        with mounted(disk) as folder, plain_errors(folder / DATABASE):
            connection = connect(folder / DATABASE, self.key, file_system=NAME)
            try:
                connection.pragma("synchronous", synchronous)
                connection.pragma("wal_autocheckpoint", PAGES_BETWEEN_CHECKPOINTS)
                empty_log(connection)
                yield Conversations(OneConnection(folder / DATABASE, connection))
            finally:
                with contextlib.suppress(apsw.Error):  # of a card that is dead
                    connection.close(force=True)

    def whole(self, disk: Disk) -> bool:
        """Read every page and every index; tell whether all are what was written."""
        try:
            with mounted(disk) as folder, plain_errors(folder / DATABASE):
                connection = connect(folder / DATABASE, self.key, file_system=NAME)
                try:
                    check_pages(connection, folder / DATABASE)
                    return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
                finally:
                    connection.close(force=True)
        except StoreError as error:
            if error.code == "STORE_DAMAGED":
                return False
            raise


class Told:
    """What was acknowledged, and what must therefore be found."""

    def __init__(self) -> None:
        self.begun: set[str] = set()
        self.finished: set[str] = set()

    async def tell(self, conversations: Conversations, names: Iterator[str], turns: int) -> None:
        """Tell `turns` turns as the assistant stores them; what returns is acknowledged."""
        await conversations.ensure_session(SESSION, PERSON)
        for _ in range(turns):
            name = next(names)
            await conversations.begin_turn(name, SESSION, PERSON, f"question {name} " * 20)
            self.begun.add(name)
            await conversations.finish_turn(name, f"answer {name} " * 60, [1, 2, 3], "model", "complete")
            self.finished.add(name)

    def missing(self, found: list[StoredTurn]) -> set[str]:
        """Return the acknowledged turns that are not there as they were acknowledged."""
        questions = {turn.turn_id for turn in found}
        answers = {turn.turn_id for turn in found if turn.answer_text.startswith(f"answer {turn.turn_id} ")}
        return (self.begun - questions) | (self.finished - answers)
