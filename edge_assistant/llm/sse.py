"""Server-sent events as OpenAI-compatible servers send them; pure, without I/O."""

from __future__ import annotations

from collections.abc import Iterator

MAX_LINE_BYTES = 1 << 20
"""Longest line taken: a chunk is a few hundred bytes, so a megabyte is no chat server."""

_MAX_LINES = 1000
"""Lines of one event."""


class LineTooLongError(ValueError):
    """A line or event is longer than `MAX_LINE_BYTES`."""


class EventParser:
    """Turns a byte stream into the data of events, however the bytes are cut.

    Comments, event names and ids are ignored. Lines end with LF or CRLF.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        """Lines of the event that is not complete yet."""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Take bytes; iterate over the data of each event that is complete now."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if max(map(len, [*lines, self._rest])) > MAX_LINE_BYTES:
            raise LineTooLongError
        return self._events(lines)

    def _events(self, lines: list[bytes]) -> Iterator[bytes]:
        for line in lines:
            stripped = line.removesuffix(b"\r")
            if stripped.startswith(b"data:"):
                self._data.append(stripped[5:].removeprefix(b" "))
                if sum(map(len, self._data)) > MAX_LINE_BYTES or len(self._data) > _MAX_LINES:
                    raise LineTooLongError
            elif not stripped and self._data:
                data, self._data = b"\n".join(self._data), []
                yield data
