"""The watched folder: what is dropped in is read, what changed is read again, what is gone is erased.

It is looked through now and then instead of asking the kernel for news: that works on network shares
too, finds what changed while the device was off, and needs no memory of its own between two looks.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

from edge_assistant.documents.document import HOUSEHOLD
from edge_assistant.documents.library import Library
from edge_assistant.documents.origin import origin_of, stamp_of
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
        self._was_there = True

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

        A folder that is not there, such as a share that is offline, changes nothing.
        """
        found = await asyncio.to_thread(files_below, self._folder, time.time() - self._settled_seconds)
        if found is None:
            if self._was_there:
                logger.warning("the watched folder is not there: documents.folder")
            self._was_there = False
            return
        self._was_there = True
        known = await self._library.files(HOUSEHOLD)
        changed = [
            path
            for origin, (path, stamp) in found.items()
            if stamp and (origin not in known or known[origin][0] != stamp)
        ]
        below = f"{origin_of(self._folder)}{os.sep}"
        gone = [
            origin
            for origin, (_, watched) in known.items()
            if watched and origin.startswith(below) and origin not in found
        ]
        if gone:
            await self._library.remove_gone(gone)
        for batch in _batched(changed):
            await self._library.add_files(batch, HOUSEHOLD, watched=True)
        if changed or gone:
            logger.info("watched folder: %d new or changed, %d gone", len(changed), len(gone))

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except EdgeError as error:
                logger.warning("the watched folder waits: %s", error.code)
            await asyncio.sleep(self._look_seconds)


def files_below(folder: Path, settled_before: float) -> dict[str, tuple[Path, str]] | None:
    """Return path and stamp of the files below a folder by their origin; None when it can't be read.

    Hidden ones and links are left out, links could lead anywhere. The stamp of a file that is still
    being written is empty: it is there, but not to be read yet.
    """
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.X_OK):
        return None
    found: dict[str, tuple[Path, str]] = {}
    for path in itertools.islice(_walk(folder), MOST_FILES):
        try:
            status = path.lstat()
        except OSError:  # gone meanwhile
            continue
        settled = max(status.st_mtime, status.st_ctime) <= settled_before
        found[origin_of(path)] = path, stamp_of(status) if settled else ""
    return found


def _walk(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(parent, name)
            if not name.startswith(".") and path.is_file() and not path.is_symlink():
                yield path


def _batched(paths: list[Path]) -> Iterator[list[Path]]:
    for start in range(0, len(paths), AT_ONCE):
        yield paths[start : start + AT_ONCE]
