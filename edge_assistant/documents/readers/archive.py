"""Zip archives from strangers: nothing is unpacked to disk, names are labels, sizes are counted as read."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO

from edge_assistant.documents.refusal import Refusal

MOST_ENTRIES = 20_000
MEMBER_BYTES = 20 << 20
TOTAL_BYTES = 512 << 20
"""All that is read from one archive, whatever its directory claims."""

MOST_RATIO = 200
"""Text shrinks about fourfold, at the very most some fiftyfold; what shrinks more is a trap."""

RATIO_FROM_BYTES = 1 << 20

_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, ValueError, RuntimeError)


@dataclass
class _Budget:
    """What an archive may still unpack, with all that lie in it."""

    left: int


class Archive:
    """An open archive whose members are read one at a time, within what one document may cost."""

    def __init__(self, file: BinaryIO, budget: _Budget | None = None) -> None:
        self._zip = _open(file)
        self._budget = budget or _Budget(TOTAL_BYTES)
        entries = [entry for entry in self._zip.infolist() if not entry.is_dir()]
        if len(entries) > MOST_ENTRIES:
            raise Refusal(
                "DOCUMENT_TOO_LARGE", f"the archive has {len(entries)} files; at most {MOST_ENTRIES} are read"
            )
        for entry in entries:
            _check(entry)
        self._entries = {entry.filename: entry for entry in entries}

    @property
    def names(self) -> list[str]:
        """Names of its files as they stand in it."""
        return list(self._entries)

    def read(self, name: str) -> bytes:
        """Return one file. Raises `Refusal` DOCUMENT_UNSAFE_ARCHIVE, DOCUMENT_BROKEN, DOCUMENT_ENCRYPTED."""
        entry = self._entries[name]
        if entry.flag_bits & 1:
            raise Refusal("DOCUMENT_ENCRYPTED", "the archive is locked with a password")
        try:
            data = b"".join(self._pieces(entry))
        except _DAMAGED:
            raise Refusal("DOCUMENT_BROKEN", "the archive is damaged and can't be read to its end") from None
        return data

    def nested(self, name: str) -> Archive:
        """Open an archive within this one; its files count against the same budget."""
        return Archive(io.BytesIO(self.read(name)), self._budget)

    def _pieces(self, entry: zipfile.ZipInfo) -> Iterator[bytes]:
        limit = min(
            MEMBER_BYTES if not entry.filename.endswith(".zip") else TOTAL_BYTES // 4, self._budget.left
        )
        size = 0
        with self._zip.open(entry) as member:
            while piece := member.read(64 * 1024):
                size += len(piece)
                if size > limit:
                    raise _bomb()
                yield piece
        self._budget.left -= size


def _open(file: BinaryIO) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except _DAMAGED:
        raise Refusal("DOCUMENT_BROKEN", "this archive is damaged and can't be opened") from None


def _check(entry: zipfile.ZipInfo) -> None:
    path = PurePosixPath(entry.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        raise Refusal(
            "DOCUMENT_UNSAFE_ARCHIVE", "the archive has files that point outside of it; it is not opened"
        )
    if entry.file_size > RATIO_FROM_BYTES and entry.file_size > MOST_RATIO * max(entry.compress_size, 1):
        raise _bomb()


def _bomb() -> Refusal:
    return Refusal(
        "DOCUMENT_UNSAFE_ARCHIVE", "the archive unpacks to far more than it should; it is not opened"
    )
