"""The newest records of the log, kept in memory for a debug bundle, without what they say of anybody.

Of a record stays what stands in the source: its text before arguments are put in, numbers, codes, kinds of
errors and where they arose. Any other argument becomes a mark: the same argument has the same mark until
the daemon ends, which tells that two lines speak of the same turn, and nothing else.
"""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
import traceback
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from edge_assistant.ops.own_words import PACKAGE, name_of, names

MOST_RECORDS = 300
MOST_CHARACTERS = 400
"""Longest text of a record; ours are shorter."""

_NAME = re.compile(r"[A-Za-z][\w.-]{2,59}")
_PLACES = 3
_OURS = PACKAGE.name

Argument = int | float | str


class Kept(msgspec.Struct, frozen=True):
    """What is kept of a record."""

    at: float
    level: str
    logger: str
    text: str
    """As it stands in the source; empty when another library wrote it."""
    arguments: tuple[Argument, ...]
    """Numbers, marks, and what may be a name of ours, which is only known when somebody asks."""
    error: str
    """Kind of the exception and the newest of our lines that it went through."""


class RecentRecords(logging.Handler):
    """Keeps them; costs a few microseconds a record."""

    def __init__(self, most: int = MOST_RECORDS) -> None:
        super().__init__()
        self._kept: deque[Kept] = deque(maxlen=most)
        self._key = secrets.token_bytes(16)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record; one that can't be is left out."""
        try:
            self._kept.append(self._keep(record))
        except Exception:  # noqa: BLE001 - logging's own way to report its failures
            self.handleError(record)

    def lines(self) -> list[str]:
        """Return a line for each record, the oldest first; the first call takes some ten milliseconds."""
        own = names()
        return [self._line(kept, own) for kept in tuple(self._kept)]

    def _keep(self, record: logging.LogRecord) -> Kept:
        ours = record.name.partition(".")[0] == _OURS
        arguments = record.args if isinstance(record.args, tuple) and ours else ()
        error = record.exc_info[1] if record.exc_info else None
        return Kept(
            at=record.created,
            level=record.levelname,
            logger=record.name.removeprefix(f"{_OURS}.") if ours else "another library",
            text=str(record.msg)[:MOST_CHARACTERS] if ours else "",
            arguments=tuple(self._argument(argument) for argument in arguments),
            error=_error(error) if error is not None else "",
        )

    def _argument(self, argument: Any) -> Argument:
        if isinstance(argument, int | float):
            return argument
        if isinstance(argument, BaseException):
            return name_of(argument)
        text = str(argument)
        return text if _NAME.fullmatch(text) else self._mark(text)

    def _mark(self, text: str) -> str:
        digest = hashlib.blake2b(text.encode(errors="replace"), key=self._key, digest_size=2)
        return f"‹{digest.hexdigest()}›"

    def _line(self, kept: Kept, own: frozenset[str]) -> str:
        shown = tuple(
            each if not isinstance(each, str) or each in own or each.startswith("‹") else self._mark(each)
            for each in kept.arguments
        )
        try:
            text = kept.text % shown if shown else kept.text
        except (TypeError, ValueError):  # a format that wants a number where there is a mark now
            text = f"{kept.text} {shown}"
        when = datetime.fromtimestamp(kept.at, UTC)
        line = f"{when:%Y-%m-%dT%H:%M:%S}Z {kept.level} {kept.logger}: {text[:MOST_CHARACTERS]}{kept.error}"
        return " | ".join(line.splitlines())


def _error(error: BaseException) -> str:
    """Return its kind and where in our source it arose."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if PACKAGE in _parents(frame)]
    places = [f"{Path(frame.filename).relative_to(PACKAGE)}:{frame.lineno}" for frame in frames[-_PLACES:]]
    return f" [{name_of(error)}{' at ' * bool(places)}{' < '.join(reversed(places))}]"


def _parents(frame: traceback.FrameSummary) -> tuple[Path, ...]:
    return tuple(Path(frame.filename).parents)


def recent_records() -> list[str]:
    """Return the lines of what this process logged lately; nothing when nothing keeps them."""
    kept = [each for each in logging.getLogger().handlers if isinstance(each, RecentRecords)]
    return [line for each in kept for line in each.lines()]
