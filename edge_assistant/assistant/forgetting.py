"""Forgetting on command, everywhere at once, with a receipt that an auditor can check.

Rows, words and vectors go in one transaction; SQLite overwrites them with zeros, and the log that
still held them is emptied. What is in memory (running answers, remembered turns, KV) goes around it,
the KV on disk becomes noise with its key. Then every backup within reach is cleaned likewise.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import apsw
import msgspec

from edge_assistant.store.audit import AuditLog
from edge_assistant.store.backup_erase import erase_in_copies
from edge_assistant.store.database import Database
from edge_assistant.store.erase import EraseHook, Old, Person, Sessions, Subject, Topic, erase_rows
from edge_assistant.store.keys import KeyRing

logger = logging.getLogger(__name__)

LOG_TRIES = 20
LOG_PAUSE_SECONDS = 0.25
"""How often, and how long between, it is tried to empty the log: a reader may need it for a while."""


class Receipt(msgspec.Struct, frozen=True, kw_only=True, tag="receipt", tag_field="type"):
    """What was forgotten, when, by whom, without a word of it. People stand as pseudonyms."""

    kind: str
    """`person`, `session`, `document`, `topic`, or `old` for what was kept long enough."""
    subject: str
    """Pseudonym of whom or what; the same in every receipt and in the audit log."""
    by: str
    """Pseudonym of who asked for it."""
    at: float
    """UNIX seconds."""
    erased: dict[str, int]
    """How much of what: `messages`, `memories`, …"""
    log_emptied: bool
    """Whether the database's log, which held older states, is empty."""
    backups_erased: int
    backups_not_reached: tuple[str, ...] = ()
    """File names of backups that could not be opened. Delete them, or forget again when they are back."""
    entry: int = 0
    """Number of the entry in the audit log that holds this receipt's digest."""
    entry_hash: str = ""


def digest(receipt: Receipt) -> str:
    """Return the SHA-256 of a receipt without its entry, as the audit log keeps it."""
    body = msgspec.structs.replace(receipt, entry=0, entry_hash="")
    return hashlib.sha256(msgspec.json.encode(body)).hexdigest()


class _NotMeantError(Exception):
    """Takes a transaction back."""


class Forgetting:
    """Does what every room's hook says, in all copies there are."""

    def __init__(
        self,
        database: Database,
        keys: KeyRing,
        audit: AuditLog,
        hooks: Sequence[EraseHook],
        nightly: Path | None = None,
    ) -> None:
        self._database = database
        self._keys = keys
        self._audit = audit
        self._hooks = tuple(hooks)
        self._nightly = nightly
        """Folder of the nightly backups, when there are any."""
        self._one_at_a_time = asyncio.Lock()

    async def forget(self, subject: Subject, by: str) -> Receipt:
        """Forget a subject and return the receipt; raises `StoreError`, then nothing is forgotten.

        Whether `by`, a principal's id, may do that is for the caller to know.
        """
        async with self._one_at_a_time, self._database.copies:
            async with AsyncExitStack() as stack:
                for hook in self._hooks:
                    if hook.live is not None:
                        await stack.enter_async_context(hook.live(subject))
                erased = await self._database.write(lambda db: erase_rows(db, self._hooks, subject))
            emptied = await self._empty_log()
            copies = await erase_in_copies(
                self._database, self._keys, lambda db: erase_rows(db, self._hooks, subject), self._nightly
            )
        receipt = Receipt(
            kind=str(subject.__struct_config__.tag),
            subject=await self._audit.pseudonym(_named(subject)),
            by=await self._audit.pseudonym(by),
            at=round(time.time(), 3),
            erased={name: count for name, count in erased.items() if count},
            log_emptied=emptied,
            backups_erased=sum(copy.state == "erased" for copy in copies),
            backups_not_reached=tuple(
                copy.path.rsplit("/", 1)[-1] for copy in copies if copy.state == "not reached"
            ),
        )
        return await self._written_down(receipt, by)

    async def preview(self, subject: Subject) -> dict[str, int]:
        """Return how much of what would be forgotten; nothing is."""
        found: dict[str, int] = {}

        def work(db: apsw.Connection) -> None:
            found.update(erase_rows(db, self._hooks, subject))
            raise _NotMeantError

        with contextlib.suppress(_NotMeantError):
            await self._database.write(work)
        return {name: count for name, count in found.items() if count}

    async def genuine(self, receipt: Receipt) -> bool:
        """Return whether the audit log holds this receipt as it is, and is whole."""
        entry = await self._audit.entry(receipt.entry)
        if entry is None or entry.hash != receipt.entry_hash or await self._audit.first_broken() is not None:
            return False
        return bool(entry.details.get("receipt") == digest(receipt))

    async def _written_down(self, receipt: Receipt, by: str) -> Receipt:
        details = {
            "kind": receipt.kind, "subject": receipt.subject, "receipt": digest(receipt),
            "backups": receipt.backups_erased, "not_reached": len(receipt.backups_not_reached),
            **receipt.erased,
        }  # fmt: skip
        entry = await self._audit.add("forget", by, details)
        logger.info("forgot a %s: %s", receipt.kind, receipt.erased)
        return msgspec.structs.replace(receipt, entry=entry.seq, entry_hash=entry.hash)

    async def _empty_log(self) -> bool:
        for _ in range(LOG_TRIES):
            if await self._database.checkpoint():
                return True
            await asyncio.sleep(LOG_PAUSE_SECONDS)
        return False


def _named(subject: Subject) -> str:
    """Return what a pseudonym is made of."""
    match subject:
        case Person(principal=who):
            return who
        case Sessions(ids):
            return " ".join(ids)
        case Topic(words=words):
            return words
        case Old():
            return "old"
        case document:
            return document.id
