"""A copy of the store from before an update, for the way back: an older version can't read a newer one's.

It lies beside the database as long as the probation lasts and no longer, so that what somebody lets the
assistant forget is gone. The older version takes it up itself when its store is too new (store/heal.py).
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from pathlib import Path

from edge_assistant.store.heal import BEFORE_UPDATE
from edge_assistant.update.shelf import disk_errors, require_room


class Keepsake:
    """The copy."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._copy = database.with_name(database.name + BEFORE_UPDATE)

    def require_room(self, besides: int) -> None:
        """Raise UPDATE_DISK_FULL when there is no room for it and so many bytes besides."""
        require_room(self._database.parent, besides + sum(path.stat().st_size for path in self._sources()))

    def take(self) -> None:
        """Copy the database, which nobody has open.

        Root works here in a folder of the service's user, so it follows no link and opens nothing that
        was there: else a service that was taken over could have any file read or replaced.
        """
        with disk_errors(self._database.parent):
            self.drop()
            folder = os.open(self._database.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                # The log first: a copy is one when the database is there.
                for source in reversed(self._sources()):
                    name = self._copy.name + source.name.removeprefix(self._database.name)
                    _copy(folder, source.name, f"{name}.part")
                    os.rename(f"{name}.part", name, src_dir_fd=folder, dst_dir_fd=folder)
                os.fsync(folder)
            finally:
                os.close(folder)

    def drop(self) -> None:
        """Throw it away."""
        for path in self._database.parent.glob(f"{self._copy.name}*"):
            path.unlink(missing_ok=True)

    def _sources(self) -> list[Path]:
        log = self._database.with_name(self._database.name + "-wal")
        return [path for path in (self._database, log) if path.exists()]


def _copy(folder: int, name: str, target: str) -> None:
    """Copy a file within `folder`, a descriptor, for the same owner and for nobody else."""
    with os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder), "rb") as source:
        status = os.fstat(source.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, f"{name} is no file")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(target, flags, 0o600, dir_fd=folder), "wb") as copy:
            os.fchown(copy.fileno(), status.st_uid, status.st_gid)
            shutil.copyfileobj(source, copy, 1 << 20)
            copy.flush()
            os.fsync(copy.fileno())
