"""A copy of the store from before an update, for the way back: an older version can't read a newer one's.

It lies beside the database as long as the probation lasts and no longer, so that what somebody lets the
assistant forget is gone. The older version takes it up itself when its store is too new (store/heal.py).
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from edge_assistant.store.files import sync_file, sync_folder
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
        """Copy the database, which nobody has open."""
        with disk_errors(self._database.parent):
            self.drop()
            for source in reversed(
                self._sources()
            ):  # the log first: a copy is one when the database is there
                target = self._copy.with_name(self._copy.name + source.name.removeprefix(self._database.name))
                part = target.with_name(target.name + ".part")
                shutil.copyfile(source, part)
                status = source.stat()
                os.chown(part, status.st_uid, status.st_gid)
                part.chmod(0o600)
                sync_file(part)
                part.replace(target)
            if self._database.exists():
                sync_folder(self._database.parent)

    def drop(self) -> None:
        """Throw it away."""
        for path in self._database.parent.glob(f"{self._copy.name}*"):
            path.unlink(missing_ok=True)

    def _sources(self) -> list[Path]:
        log = self._database.with_name(self._database.name + "-wal")
        return [path for path in (self._database, log) if path.exists()]
