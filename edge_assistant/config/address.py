"""Addresses of Unix sockets, however long their path is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MAX_PATH_BYTES = 107
"""Longest path in a sockaddr_un, see unix(7)."""


@contextmanager
def socket_address(path: Path) -> Iterator[str]:
    """Give the address to bind or connect to; a path that is too long is reached through its folder."""
    if len(os.fsencode(path)) <= MAX_PATH_BYTES:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
