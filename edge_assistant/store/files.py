"""Files that only this user may read, written so that a power cut leaves the old or the new one."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path

from edge_assistant.errors import StoreError

logger = logging.getLogger(__name__)

PRIVATE = 0o600


def make_folder(folder: Path) -> None:
    """Create a state folder that only this user may enter; an existing one keeps its mode."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def identity_of(folder: Path) -> str:
    """Return what is the same for two processes when they mean the same folder; empty when there is none."""
    try:
        status = folder.stat()
    except OSError:
        return ""
    return f"{status.st_dev}:{status.st_ino}" if stat.S_ISDIR(status.st_mode) else ""


def sync_folder(folder: Path) -> None:
    """Make the creations and renames in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Make the content of `path` durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_private(path: Path, content: bytes) -> None:
    """Replace `path` by `content`, durably and at once, readable by this user only."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    sync_folder(path.parent)


def require_private(path: Path) -> None:
    """Take away what others may do with `path`; raise KEY_UNSAFE when it isn't this user's own file."""
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode) or status.st_uid not in {os.geteuid(), 0}:
        raise StoreError("KEY_UNSAFE", f"{path} is not a regular file of this user; check who put it there")
    if status.st_mode & 0o077:
        logger.warning("%s was open to other users; making it private", path)
        path.chmod(PRIVATE)
