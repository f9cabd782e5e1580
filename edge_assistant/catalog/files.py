"""Files that are whole or absent: hashing, durable renames, free space."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from pathlib import Path

from edge_assistant.errors import ModelError

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in lower-case hex, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Bring a file's bytes or a folder's entries to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def move_into_place(source: Path, target: Path) -> None:
    """Put a finished file of the same file system in place, durably and in one step."""
    target.parent.mkdir(parents=True, exist_ok=True)
    sync(source)
    source.replace(target)
    sync(target.parent)


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a small file; a crash leaves the old one or the new one."""
    staged = path.with_name(f".{path.name}.new")
    staged.write_bytes(content)
    move_into_place(staged, path)


def require_space(folder: Path, needed: int) -> None:
    """Raise MODEL_DISK_FULL unless `needed` bytes are free where `folder` lies."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise ModelError(
            "MODEL_DISK_FULL",
            f"{needed // 10**6} MB are needed below {folder}, {free // 10**6} MB are free; "
            "make room, or set EDGE_ASSISTANT_MODELS to a larger disk",
        )


def disk_error(error: OSError, folder: Path) -> ModelError:
    """Name a failed write: MODEL_DISK_FULL or MODEL_DISK_FAILED."""
    if error.errno in _NO_SPACE:
        return ModelError("MODEL_DISK_FULL", f"the disk of {folder} is full; make room and pull again")
    reason = error.strerror or str(error)
    return ModelError("MODEL_DISK_FAILED", f"can't write below {folder}: {reason}")
