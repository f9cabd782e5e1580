"""Files on their way here: each whole under its hash, or partial and gone on with."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_assistant.store.files import sync_folder
from edge_assistant.update.release import UpdateError
from edge_assistant.update.source import TARGETS, NotThereError, Source

Advance = Callable[[int], None]
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SPARE = 1.05
"""A file system takes a little more than the bytes of its files."""


class Shelf:
    """The folder of such files."""

    def __init__(self, folder: Path, pause: Callable[[float], None] = time.sleep) -> None:
        self._folder = folder
        self._pause = pause

    @staticmethod
    def digest(path: Path) -> str:
        """Return the SHA-256 of a file."""
        return _sha256(path)

    def path(self, sha256: str) -> Path:
        """Return where the whole file lies."""
        return self._folder / sha256

    def holds(self, sha256: str, size: int) -> bool:
        """Read the file and tell whether it is here and right; a damaged one is thrown away."""
        path = self.path(sha256)
        if not path.is_file():
            return False
        if path.stat().st_size == size and _sha256(path) == sha256:
            return True
        path.unlink()
        return False

    def missing_bytes(self, sha256: str, size: int) -> int:
        """Return how much of a file has to be fetched."""
        if self.path(sha256).is_file():
            return 0
        part = self._part(sha256)
        return max(0, size - part.stat().st_size) if part.exists() else size

    def bring(self, source: Source, name: str, sha256: str, size: int, advance: Advance) -> Path:
        """Fetch a target that is not here and return where it lies; goes on where it was cut.

        Raises UPDATE_WRONG_TARGET, UPDATE_ENDLESS, UPDATE_DISK_FULL, UPDATE_DISK_FAILED, what `source` does.
        """
        with disk_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            part = self._part(sha256)
            resumed = part.exists()
            self._fetch(source, name, part, size, advance)
            if _sha256(part) != sha256 and resumed:  # what lay here may have been of another file
                part.unlink()
                self._fetch(source, name, part, size, advance)
            if part.stat().st_size != size or _sha256(part) != sha256:
                part.unlink()
                raise UpdateError(
                    "UPDATE_WRONG_TARGET", f"{name} is not the file that was signed: it was thrown away"
                )
            part.replace(self.path(sha256))
            sync_folder(self._folder)
            return self.path(sha256)

    def keep(self, wanted: Collection[str]) -> None:
        """Throw everything else away, what is half here too."""
        if self._folder.is_dir():
            for path in self._folder.iterdir():
                if path.name not in wanted:
                    path.unlink()

    def _part(self, sha256: str) -> Path:
        return self._folder / f"{sha256}.part"

    def _fetch(self, source: Source, name: str, part: Path, size: int, advance: Advance) -> None:
        for attempt in range(source.limits.tries):
            if attempt:
                self._pause(source.limits.pause_seconds * 2.0 ** (attempt - 1))
            last = attempt + 1 == source.limits.tries
            try:
                self._continue(source, name, part, size, advance)
            except UpdateError as error:
                if last or error.code != "UPDATE_UNREACHABLE":
                    raise
            else:
                if part.stat().st_size == size or last:
                    return

    def _continue(self, source: Source, name: str, part: Path, size: int, advance: Advance) -> None:
        place = f"{TARGETS}/{prefixed(name, part.stem)}"
        at = part.stat().st_size if part.exists() else 0
        if at > size:
            part.unlink()
            at = 0
        with part.open("ab") as file:
            try:
                for block in () if at == size and size else source.read(place, at):
                    if not block:  # the source begins anew
                        file.truncate(0)
                        advance(-at)
                        at = 0
                    at += len(block)
                    if at > size:
                        file.truncate(0)
                        raise UpdateError(
                            "UPDATE_ENDLESS", f"{name} is longer than what was signed: given up"
                        )
                    file.write(block)
                    advance(len(block))
            except NotThereError:
                raise UpdateError(
                    "UPDATE_WRONG_TARGET", f"the source has no {name}, which it names"
                ) from None
            finally:
                file.flush()
                os.fsync(file.fileno())


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Name what the disk refuses: UPDATE_DISK_FULL, UPDATE_DISK_FAILED."""
    try:
        yield
    except OSError as error:
        raise disk_error(error, folder) from error


def disk_error(error: OSError, folder: Path) -> UpdateError:
    """Return the error that says what the disk refused."""
    if error.errno in _NO_SPACE:
        return UpdateError("UPDATE_DISK_FULL", f"the disk of {folder} is full: make room and update again")
    return UpdateError("UPDATE_DISK_FAILED", f"can't write below {folder}: {error.strerror or error}")


def require_room(folder: Path, needed: int) -> None:
    """Raise UPDATE_DISK_FULL unless so many bytes are free where `folder` lies."""
    free = shutil.disk_usage(folder).free
    if free < needed * _SPARE:
        raise UpdateError(
            "UPDATE_DISK_FULL",
            f"the update needs {needed * _SPARE / 10**6:.0f} MB below {folder}, "
            f"{free / 10**6:.0f} MB are free: make room and update again; nothing was changed",
        )


def prefixed(name: str, sha256: str) -> str:
    """Return the name under which a target lies in a consistent snapshot (TUF, 6.2.2)."""
    folder, slash, base = name.rpartition("/")
    return f"{folder}{slash}{sha256}.{base}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
