"""The way back leads to the store as it was, when the new version had changed its form."""

from __future__ import annotations

import contextlib
from pathlib import Path

import apsw
import pytest

from edge_assistant.errors import StoreError
from edge_assistant.store.connection import connect
from edge_assistant.store.database import Database
from edge_assistant.store.heal import open_store
from edge_assistant.store.keys import KeyRing
from edge_assistant.update.keepsake import Keepsake
from edge_assistant.update.release import UpdateError


async def said(path: Path, ring: KeyRing) -> list[str]:
    """Open the store as a start does and return what it holds."""
    opened = await open_store(path, ring, path.parent / "backups")
    try:
        return [
            str(row[0])
            for row in await opened.database.read(
                lambda db: db.execute("SELECT value FROM notes ORDER BY value").fetchall()
            )
        ]
    finally:
        await opened.database.close()


def write(path: Path, key: bytes, value: str) -> None:
    connection = connect(path, key)
    connection.execute("CREATE TABLE IF NOT EXISTS notes(value TEXT)")
    connection.execute("INSERT INTO notes VALUES (?)", (value,))
    connection.close()


def change_form(path: Path, key: bytes) -> None:
    connection = connect(path, key)
    connection.pragma("user_version", 10_000)
    connection.close()


@pytest.mark.parametrize("log", ["empty", "full"])
async def test_an_older_version_finds_the_store_from_before_the_update(tmp_path: Path, log: str) -> None:
    ring, path = KeyRing(tmp_path), tmp_path / "assistant.db"
    key = ring.open(path).data_key
    await (await Database.open(path, key)).close()
    keepsake = Keepsake(path)
    held: apsw.Connection | None = None
    if log == "full":  # as after a daemon that was killed: what was said last is in the log only
        held = connect(path, key)
        held.pragma("wal_autocheckpoint", 0)
    write(path, key, "before")
    keepsake.take()
    if held is not None:
        held.close()
    write(path, key, "during the probation")
    change_form(path, key)
    assert await said(path, ring) == ["before"]
    assert (tmp_path / "assistant.db.newer").exists()
    assert not list(tmp_path.glob("*.before-update*"))
    assert await said(path, ring) == ["before"]


async def test_without_an_update_a_store_that_is_too_new_stays_as_it_is(tmp_path: Path) -> None:
    ring, path = KeyRing(tmp_path), tmp_path / "assistant.db"
    key = ring.open(path).data_key
    await (await Database.open(path, key)).close()
    keepsake = Keepsake(path)
    keepsake.take()
    keepsake.drop()
    change_form(path, key)
    with pytest.raises(StoreError, match="STORE_NEWER"):
        await said(path, ring)
    assert not (tmp_path / "assistant.db.newer").exists()


@pytest.mark.parametrize("planted", ["assistant.db", "assistant.db-wal", "assistant.db.before-update.part"])
def test_root_follows_no_link_in_the_folder_of_the_service(tmp_path: Path, planted: str) -> None:
    secret, folder = tmp_path / "secret", tmp_path / "state"
    folder.mkdir()
    secret.write_text("of root")
    (folder / "assistant.db").write_text("the store")
    (folder / planted).unlink(missing_ok=True)
    (folder / planted).symlink_to(secret)
    keepsake = Keepsake(folder / "assistant.db")
    with contextlib.suppress(UpdateError):  # refused, or of what was planted nothing is left
        keepsake.take()
    assert secret.read_text() == "of root"
    copies = list(folder.glob("assistant.db.before-update*"))
    assert not any("of root" in copy.read_text() for copy in copies)
