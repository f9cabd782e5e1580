"""The daemon's log: one line a record on stderr, with levels that the journal understands."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping

from edge_assistant.ops.journal import JournalHandler, is_journal, journal_send, priority
from edge_assistant.ops.recent import RecentRecords


class LineFormatter(logging.Formatter):
    """Formats a record as one line, whatever its message or traceback holds."""

    def __init__(self, *, journal: bool, times: bool = True) -> None:
        prefix = "" if journal or not times else "%(asctime)s.%(msecs)03d %(levelname)s "
        super().__init__(prefix + "%(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; line breaks become ` | `."""
        line = " | ".join(super().format(record).splitlines())
        return f"<{priority(record.levelno)}>{line}" if self._journal else line


def set_up_logging(*, debug: bool = False, environ: Mapping[str, str] = os.environ) -> None:
    """Send the log to the journal with its fields, else to stderr, with priorities if that is the journal.

    The newest records are kept for a debug bundle.
    """
    send = journal_send(environ)
    handler = logging.StreamHandler(sys.stderr) if send is None else JournalHandler(send)
    journal = send is None and is_journal(environ)
    handler.setFormatter(LineFormatter(journal=journal, times=send is None))
    root = logging.getLogger()
    root.handlers[:] = [handler, RecentRecords()]
    root.setLevel(logging.DEBUG if debug else logging.INFO)
    logging.getLogger("asyncio").setLevel(logging.INFO)
