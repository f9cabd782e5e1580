"""Programs that the tests run as processes of their own: `python -m tests.store.programs NAME …`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_assistant.errors import StoreError
from edge_assistant.memory.conversations import Conversations
from edge_assistant.store.backup import back_up
from edge_assistant.store.database import Database
from edge_assistant.store.keys import KeyRing
from edge_assistant.store.lock import StateLock

FIRST_VERSION = Path(__file__).parents[1] / "samples/first-version.tar.gz"
"""A state folder that the first version of the program left behind."""


async def acknowledge(path: Path, key: bytes) -> None:
    """Write turns for ever and print each id after it was stored."""
    conversations = Conversations(await Database.open(path, key))
    await conversations.ensure_session("s", "me")
    for number in range(1_000_000):
        turn_id = f"{os.getpid()}.{number}"
        await conversations.begin_turn(turn_id, "s", "me", "question " + turn_id)
        await conversations.finish_turn(turn_id, "answer " + turn_id, [number], "model", "complete")
        print(turn_id, flush=True)


async def leave_a_log(path: Path, key: bytes) -> None:
    """Store one turn and die without closing: the turn is in the log only."""
    conversations = Conversations(await Database.open(path, key))
    await conversations.ensure_session("s", "me")
    await conversations.begin_turn("t", "s", "me", "in the log")
    os._exit(0)


async def fill_the_disk(path: Path, key: bytes) -> None:
    """Write until the disk is full, free some space, go on, and see that nothing was lost."""
    ballast = path.with_name("ballast")
    ballast.write_bytes(bytes(256 * 1024))
    database = await Database.open(path, key)
    conversations = Conversations(database)
    await conversations.ensure_session("s", "me")
    stored = await _write_until_full(conversations)
    assert len(await conversations.transcript("s", "me", 10_000)) == stored > 10
    await conversations.session("s", "me")
    assert not await database.checkpoint()
    ballast.unlink()
    await conversations.begin_turn("after", "s", "me", "goes on")
    await database.close()
    database = await Database.open(path, key)
    await database.check()
    assert len(await Conversations(database).transcript("s", "me", 10_000)) == stored + 1
    await database.close()


async def _write_until_full(conversations: Conversations) -> int:
    stored = 0

    async def write_on() -> None:
        nonlocal stored
        while stored < 10_000:
            await conversations.begin_turn(f"t{stored}", "s", "me", "x" * 5_000)
            stored += 1

    with pytest.raises(StoreError, match="STORE_FULL"):
        await write_on()
    return stored


async def start_on_a_full_disk(path: Path, key: bytes) -> None:
    """A new database on a full disk is refused and leaves nothing; with space it is made."""
    ballast = path.with_name("ballast")
    with pytest.raises(OSError, match="No space"):
        ballast.write_bytes(bytes(64 * 1024 * 1024))
    with pytest.raises(StoreError, match="STORE_FULL"):
        await Database.open(path, key)
    assert [file.name for file in path.parent.iterdir()] == ["ballast"]
    ballast.unlink()
    await (await Database.open(path, key)).close()


async def back_up_to_a_full_disk(path: Path, key: bytes) -> None:
    """A backup that does not fit is refused, leaves nothing, and the database goes on."""
    database = await Database.open(path, key)
    conversations = Conversations(database)
    await conversations.ensure_session("s", "me")
    for number in range(13):  # more than half of the disk, with room for the log
        await conversations.begin_turn(f"t{number}", "s", "me", "x" * 32_000)
        assert await database.checkpoint()
    keys = path.with_name("keys.json")
    keys.write_bytes(b"{}")
    before = sorted(path.parent.iterdir())
    with pytest.raises(StoreError, match="STORE_FULL"):
        await back_up(database, keys, path.with_name("backup"))
    assert sorted(path.parent.iterdir()) == before
    await conversations.begin_turn("after", "s", "me", "goes on")
    await database.close()


async def migrate_on_a_full_disk(path: Path, _key: bytes) -> None:
    """A store of the first version that finds no room to grow is refused, whole, until there is."""
    with tarfile.open(FIRST_VERSION) as archive:
        archive.extractall(path.parent, filter="data")
    ring = KeyRing(path.parent, {})
    for room in (16, 64, 128, 256):
        with _room(path.with_name("ballast"), room * 1024), pytest.raises(StoreError, match="STORE_FULL"):
            await Database.open(path, ring.open(path).data_key)
    database = await Database.open(path, ring.open(path).data_key)
    (turn, _) = await Conversations(database).transcript("heron", "owner", 10)
    assert "Balthasar" in turn.user_text
    await database.check()
    await database.close()


@contextlib.contextmanager
def _room(ballast: Path, free_bytes: int) -> Iterator[None]:
    """Fill the disk but for some bytes."""
    disk = os.statvfs(ballast.parent)
    ballast.write_bytes(bytes(disk.f_bavail * disk.f_frsize - free_bytes))
    try:
        yield
    finally:
        ballast.unlink()


async def hold_the_lock(path: Path, _key: bytes) -> None:
    """Hold the lock at `path` until stdin closes."""
    with StateLock(path):
        print("held", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    asyncio.run(globals()[sys.argv[1]](Path(sys.argv[2]), bytes.fromhex(sys.argv[3])))
