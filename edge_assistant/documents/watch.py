"""The watched folder: what is dropped in is read, what changed is read again, what is gone is erased.

It is looked through now and then instead of asking the kernel for news: that works on network shares
too, finds what changed while the device was off, and needs no memory of its own between two looks.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import stat
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from edge_assistant.documents.document import HOUSEHOLD
from edge_assistant.documents.library import Library
from edge_assistant.documents.origin import origin_of, path_of, stamp_of
from edge_assistant.errors import EdgeError

logger = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
SETTLED_SECONDS = 2.0
"""A file that was written to more recently is still on its way in."""

MOST_FILES = 50_000
AT_ONCE = 500


class Watcher:
    """Looks through a folder from `start` to `stop`; what lies there is the household's."""

    def __init__(
        self,
        library: Library,
        folder: Path,
        *,
        look_seconds: float = LOOK_SECONDS,
        settled_seconds: float = SETTLED_SECONDS,
    ) -> None:
        self._library = library
        self._folder = folder.expanduser().absolute()
        self._look_seconds = look_seconds
        self._settled_seconds = settled_seconds
        self._task: asyncio.Task[None] | None = None
        self._folders: dict[Path, Folder] = {}
        """Every folder in which anything was seen since the start, as it was then."""
        self._away = 0

    def start(self) -> None:
        """Begin to look; returns at once."""
        self._task = asyncio.create_task(self._run(), name="watched folder")

    async def stop(self) -> None:
        """Look no more. Idempotent."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    async def look(self) -> None:
        """Bring the library to what lies in the folder now; raises `EdgeError`.

        What is away rather than gone, such as a share that is offline, stays in the library.
        """
        seen = await asyncio.to_thread(look_below, self._folder, time.time() - self._settled_seconds)
        known = await self._library.files(HOUSEHOLD)
        found = seen.files
        changed = [
            path
            for origin, (path, stamp) in found.items()
            if stamp and (origin not in known or known[origin][0] != stamp)
        ]
        below = f"{origin_of(self._folder)}{os.sep}"
        missing = [
            origin
            for origin, (_, watched) in known.items()
            if watched and origin.startswith(below) and origin not in found
        ]
        gone = [each for each in missing if not is_away(path_of(each), self._folder, seen, self._folders)]
        self._tell_away(len(missing) - len(gone), known=len(known))
        self._folders |= {path: each for path, each in seen.folders.items() if not each.empty}
        if gone:
            await self._library.remove_gone(gone)
        for batch in _batched(changed):
            await self._library.add_files(batch, HOUSEHOLD, watched=True)
        if changed or gone:
            logger.info("watched folder: %d new or changed, %d gone", len(changed), len(gone))

    def _tell_away(self, number: int, known: int) -> None:
        if number != self._away:
            logger.warning("the watched folder: files of %d of %d documents are away, kept", number, known)
        self._away = number

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except EdgeError as error:
                logger.warning("the watched folder waits: %s", error.code)
            await asyncio.sleep(self._look_seconds)


class Folder(NamedTuple):
    """A folder as it was seen: which one it is, and whether nothing lies in it."""

    device: int
    inode: int
    empty: bool

    def is_same(self, other: Folder) -> bool:
        """Return whether it is the same folder, whatever lies in it."""
        return (self.device, self.inode) == (other.device, other.inode)


class Seen(NamedTuple):
    """What lies below a folder."""

    files: dict[str, tuple[Path, str]]
    """Path and stamp by origin. The stamp of a file that is still being written is empty."""
    folders: dict[Path, Folder]
    unreadable: list[Path]
    """Folders of which nothing can be said now."""


def look_below(folder: Path, settled_before: float) -> Seen:
    """Return what lies below a folder; hidden files and links are left out, links could lead anywhere."""
    seen = Seen({}, {}, [])
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.X_OK):
        seen.unreadable.append(folder)
        return seen
    for path in itertools.islice(_walk(folder, seen), MOST_FILES):
        try:
            status = path.lstat()
        except FileNotFoundError:  # gone meanwhile
            continue
        except OSError:
            seen.files[origin_of(path)] = path, ""
            continue
        if stat.S_ISREG(status.st_mode):
            settled = max(status.st_mtime, status.st_ctime) <= settled_before
            seen.files[origin_of(path)] = path, stamp_of(status) if settled else ""
    return seen


def _walk(folder: Path, seen: Seen) -> Iterator[Path]:
    def fail(error: OSError) -> None:
        seen.unreadable.append(Path(error.filename))

    for parent, folders, names in os.walk(folder, onerror=fail):
        path = Path(parent)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        names[:] = sorted(name for name in names if not name.startswith("."))
        try:
            status = path.stat()
        except OSError:
            seen.unreadable.append(path)
            continue
        seen.folders[path] = Folder(status.st_dev, status.st_ino, not folders and not names)
        yield from (path / name for name in names)


def is_away(path: Path, root: Path, seen: Seen, before: Mapping[Path, Folder]) -> bool:
    """Return whether a file that was not found may come back with the folder that it lies in.

    A share that is not mounted leaves an empty folder: another one than that in which files were
    seen `before`. Mounted below a folder that goes with it, it leaves none. Only a folder that is the
    same as before, or has anything else in it, is believed to have lost a file.
    """
    for parent in path.parents:
        now, then = seen.folders.get(parent), before.get(parent)
        if parent in seen.unreadable:
            return True
        if now is not None and now.empty and not (then is not None and now.is_same(then)):
            return True
        if now is None and then is not None and root in before and then.device != before[root].device:
            return True
        if parent == root:
            break
    return False


def _batched(paths: list[Path]) -> Iterator[list[Path]]:
    for start in range(0, len(paths), AT_ONCE):
        yield paths[start : start + AT_ONCE]
