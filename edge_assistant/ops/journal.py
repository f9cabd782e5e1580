"""The journal of systemd: fields and message ids, so that `journalctl MESSAGE_ID=…` finds an event.

Ids are promises (docs/operations.md lists them); a record gets one by its text before arguments are put in,
so that no room needs to know of the journal.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

Send = Callable[..., Any]

IDENTIFIER = "edge-assistant"

MESSAGE_IDS = {
    "ready: process %d": "f0a6a3d2c55e4c6c8a5f5f0d6ab1c001",
    "stopping": "f0a6a3d2c55e4c6c8a5f5f0d6ab1c002",
    "the configuration was read again": "f0a6a3d2c55e4c6c8a5f5f0d6ab1c003",
    "the configuration can't be used, the old one stays: %s": "f0a6a3d2c55e4c6c8a5f5f0d6ab1c004",
    "needs a restart to take effect: %s": "f0a6a3d2c55e4c6c8a5f5f0d6ab1c005",
    "the %s worker died: %s; restart in %.1f s": "f0a6a3d2c55e4c6c8a5f5f0d6ab1c006",
    "the %s worker can't run: %s": "f0a6a3d2c55e4c6c8a5f5f0d6ab1c007",
    "the watchdog is not fed: a worker has no supervisor": "f0a6a3d2c55e4c6c8a5f5f0d6ab1c008",
    "no model: %s": "f0a6a3d2c55e4c6c8a5f5f0d6ab1c009",
    "the house can't reach the page: %s": "f0a6a3d2c55e4c6c8a5f5f0d6ab1c00a",
    "new keys made in %s": "f0a6a3d2c55e4c6c8a5f5f0d6ab1c00b",
    "ears and mouth don't work: %s": "f0a6a3d2c55e4c6c8a5f5f0d6ab1c00d",
    "ears and mouth work again": "f0a6a3d2c55e4c6c8a5f5f0d6ab1c00e",
    "the store was healed: %s": "f0a6a3d2c55e4c6c8a5f5f0d6ab1c100",
    "no nightly backup: %s": "f0a6a3d2c55e4c6c8a5f5f0d6ab1c101",
    "nightly backup made: %d bytes": "f0a6a3d2c55e4c6c8a5f5f0d6ab1c102",
    "the database is damaged: starting anew to restore it": "f0a6a3d2c55e4c6c8a5f5f0d6ab1c103",
    "the device spares itself: stage %d, %s": "f0a6a3d2c55e4c6c8a5f5f0d6ab1c105",
    "the device is well again": "f0a6a3d2c55e4c6c8a5f5f0d6ab1c106",
    "the database is damaged, and there is no backup to restore it from": "f0a6a3d2c55e4c6c8a5f5f0d6ab1c104",
}
"""Text of a record and its id (sd-id128(3))."""

FAILED_ID = "f0a6a3d2c55e4c6c8a5f5f0d6ab1c00c"
"""Id of the line that says why a command, above all `run`, came to nothing."""


_PRIORITIES = (
    (logging.CRITICAL, 2),
    (logging.ERROR, 3),
    (logging.WARNING, 4),
    (logging.INFO, 6),
    (logging.DEBUG, 7),
)
"""Least level and its syslog priority, see sd-daemon(3)."""


class JournalHandler(logging.Handler):
    """Sends records to the journal with their level, place and message id."""

    def __init__(self, send: Send) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        """Send the record; what can't be sent is said on stderr, as logging does."""
        try:
            self._send(self.format(record), **fields(record))
        except Exception:  # noqa: BLE001 - logging's own way to report its failures
            self.handleError(record)


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return the journal's fields of a record (systemd.journal-fields(7))."""
    found: dict[str, Any] = {
        "PRIORITY": priority(record.levelno),
        "LOGGER": record.name,
        "CODE_FILE": record.pathname,
        "CODE_LINE": record.lineno,
        "CODE_FUNC": record.funcName,
        "SYSLOG_IDENTIFIER": IDENTIFIER,
    }
    if message_id := MESSAGE_IDS.get(str(record.msg)):
        found["MESSAGE_ID"] = message_id
    return found


def journal_send(environ: Mapping[str, str] = os.environ) -> Send | None:
    """Return what sends to the journal; None when stderr is none, or systemd-python is not installed."""
    if not is_journal(environ):
        return None
    try:
        from systemd import journal
    except ImportError:
        return None
    send: Send = journal.send
    return send


def is_journal(environ: Mapping[str, str] = os.environ, descriptor: int = 2) -> bool:
    """Return whether stderr goes to the journal (JOURNAL_STREAM in systemd.exec(5)).

    A terminal window that systemd started inherits the variable, but not the stream.
    """
    try:
        status = os.fstat(descriptor)
    except OSError:
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def say_failure(line: str) -> None:
    """Say on stderr in one line what went wrong; in the journal it is an error with an id."""
    if send := journal_send():
        send(line, PRIORITY=priority(logging.ERROR), MESSAGE_ID=FAILED_ID, SYSLOG_IDENTIFIER=IDENTIFIER)
    else:
        print(f"<{priority(logging.ERROR)}>{line}" if is_journal() else line, file=sys.stderr)


def priority(level: int) -> int:
    """Return the syslog priority of a level of logging."""
    return next((number for least, number in _PRIORITIES if level >= least), 7)
