"""A key and an open database in a folder of its own."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edge_assistant.store.database import Database


@pytest.fixture
def key() -> bytes:
    return secrets.token_bytes(32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "assistant.db"


@pytest.fixture
async def database(path: Path, key: bytes) -> AsyncIterator[Database]:
    opened = await Database.open(path, key)
    yield opened
    await opened.close()


def hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file in `folder`, by name; the log's index is no data."""
    return {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.iterdir())
        if file.is_file() and not file.name.endswith("-shm")
    }
