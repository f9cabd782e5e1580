"""One process at a time owns a state folder."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from edge_assistant.errors import StoreError
from edge_assistant.store.files import PRIVATE, make_folder


class StateLock:
    """Holds `path` locked from `acquire` to `release`; the kernel releases it when the process dies."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock; raise STATE_IN_USE, naming the holder, when another process has it.

        Raises STATE_UNUSABLE when the folder can't be made or written.
        """
        descriptor = self._opened()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 20).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise StoreError(
                "STATE_IN_USE",
                f"{self._path.parent} is in use by process {holder}; stop it first, or go through it",
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def _opened(self) -> int:
        folder = self._path.parent
        try:
            make_folder(folder)
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE)
        except OSError as error:
            raise StoreError(
                "STATE_UNUSABLE",
                f"{folder} can't be used: {error.strerror}; look at its disk and who owns it, "
                "or set STATE_DIRECTORY to another folder",
            ) from None

    def release(self) -> None:
        """Let others take the lock. The file stays: removing it would let two processes lock two files."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
