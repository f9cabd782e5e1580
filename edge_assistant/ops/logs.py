"""The daemon's log: one line a record on stderr, with levels that the journal understands."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping

_PRIORITIES = (
    (logging.CRITICAL, 2),
    (logging.ERROR, 3),
    (logging.WARNING, 4),
    (logging.INFO, 6),
    (logging.DEBUG, 7),
)
"""Least level and its syslog priority, see sd-daemon(3)."""


class LineFormatter(logging.Formatter):
    """Formats a record as one line, whatever its message or traceback holds."""

    def __init__(self, *, journal: bool) -> None:
        times = "" if journal else "%(asctime)s.%(msecs)03d %(levelname)s "
        super().__init__(times + "%(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; line breaks become ` | `."""
        line = " | ".join(super().format(record).splitlines())
        return f"<{_priority(record.levelno)}>{line}" if self._journal else line


def set_up_logging(*, debug: bool = False, environ: Mapping[str, str] = os.environ) -> None:
    """Send the log to stderr, with syslog priorities when that is the journal."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(journal="JOURNAL_STREAM" in environ))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG if debug else logging.INFO)
    logging.getLogger("asyncio").setLevel(logging.INFO)


def _priority(level: int) -> int:
    return next((priority for least, priority in _PRIORITIES if level >= least), 7)
