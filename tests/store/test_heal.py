"""A damaged store comes back from the newest good backup; nothing is thrown away or begun anew in silence."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from edge_assistant.errors import StoreError
from edge_assistant.memory.conversations import Conversations
from edge_assistant.store.database import Database
from edge_assistant.store.heal import HEALING, SET_ASIDE, Opened, open_store, read_report
from edge_assistant.store.keys import KeyRing
from edge_assistant.store.nightly import NightlyBackups, Rotation, nightly_backups
from tests.store.conftest import hashes

NIGHT = datetime(2026, 5, 4, 3, 10)  # noqa: DTZ001 - local on purpose


class Store:
    """A state folder with two nightly backups and a turn that is newer than they are."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "assistant.db"
        self.ring = KeyRing(folder, {})
        self.nightly = folder / "backups"

    async def open(self) -> Opened:
        return await open_store(self.path, self.ring, self.nightly)

    async def fill(self) -> None:
        opened = await self.open()
        rotation = Rotation(hour=3, days=7, weeks=4)
        backups = NightlyBackups(opened.database, self.ring.envelope_path, self.nightly, rotation)
        conversations = Conversations(opened.database)
        await conversations.ensure_session("s", "me")
        for number, turn in enumerate(("first", "second")):
            await conversations.begin_turn(turn, "s", "me", turn)
            await backups.make(NIGHT + timedelta(days=number))
        await conversations.begin_turn("newest", "s", "me", "newest")
        await opened.database.close()

    async def turns(self) -> list[str]:
        opened = await self.open()
        try:
            return [turn.turn_id for turn in await Conversations(opened.database).transcript("s", "me")]
        finally:
            await opened.database.close()

    def spoil(self, offset: int, length: int = 64) -> None:
        with self.path.open("r+b") as file:
            file.seek(offset)
            file.write(bytes(length))

    def spoil_backup(self, number: int) -> None:
        path = next(self.nightly.glob(f"*-{number:06}-*"))
        content = bytearray(path.read_bytes())
        content[20_000:20_064] = bytes(64)
        path.write_bytes(content)


@pytest.fixture
async def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "state")
    await made.fill()
    return made


@pytest.mark.parametrize("offset", [0, 4, 40, 9000, 50_000])
async def test_damage_anywhere_is_set_aside_and_the_newest_backup_is_back_and_it_is_told(
    store: Store, offset: int
) -> None:
    assert await store.turns() == ["first", "second", "newest"]
    store.spoil(offset)
    damaged = store.path.read_bytes()
    assert await store.turns() == ["first", "second"]
    report = read_report(store.path)
    assert report is not None
    assert report.aside == "assistant.db.damaged"
    assert report.made_at == (NIGHT + timedelta(days=1)).isoformat()
    assert store.path.with_name(report.aside).read_bytes() == damaged
    assert await store.turns() == ["first", "second"]
    assert read_report(store.path) == report  # told until somebody has read it


async def test_a_database_cut_short_or_gone_is_restored_and_its_recovery_code_stays(store: Store) -> None:
    keys = store.ring.envelope_path.read_bytes()
    store.path.write_bytes(store.path.read_bytes()[:6000])
    assert await store.turns() == ["first", "second"]
    store.path.unlink()
    assert await store.turns() == ["first", "second"]
    assert (read_report(store.path) or pytest.fail("not told")).reason == "LOST"
    assert store.ring.envelope_path.read_bytes() == keys


async def test_a_damaged_backup_is_passed_over(store: Store) -> None:
    store.spoil_backup(2)
    store.spoil(9000)
    assert await store.turns() == ["first"]


@pytest.mark.parametrize("gone", [False, True])
async def test_without_a_good_backup_nothing_is_changed_and_no_empty_store_begins(
    store: Store, gone: bool
) -> None:
    store.spoil_backup(1)
    store.spoil_backup(2)
    store.spoil(9000)
    if gone:
        store.path.unlink()
    before = hashes(store.path.parent)
    with pytest.raises(StoreError, match="STORE_DAMAGED"):
        await store.open()
    log = store.path.with_name("assistant.db-wal")
    if log.exists() and not log.stat().st_size:
        log.unlink()  # SQLite made it to look
    assert hashes(store.path.parent) == before


@pytest.mark.parametrize("keys_too", [False, True])
async def test_a_database_that_is_gone_with_all_backups_is_never_begun_anew(
    store: Store, keys_too: bool
) -> None:
    await store.turns()
    for backup in nightly_backups(store.nightly):
        backup.path.unlink()
    store.path.unlink()
    if keys_too:
        store.ring.envelope_path.unlink()
    before = hashes(store.path.parent)
    with pytest.raises(StoreError, match="is missing and no whole backup of it is in"):
        await store.open()
    assert hashes(store.path.parent) == before


async def test_another_devices_database_is_no_damage(store: Store, tmp_path: Path) -> None:
    other = Store(tmp_path / "other")
    opened = await other.open()
    await opened.database.close()
    store.ring.envelope_path.write_bytes(other.ring.envelope_path.read_bytes())
    store.ring.device_key_path.write_bytes(other.ring.device_key_path.read_bytes())
    before = hashes(store.path.parent)
    with pytest.raises(StoreError, match="STORE_WRONG_KEY"):
        await store.open()
    assert hashes(store.path.parent) == before


@pytest.mark.parametrize("content", [b"", b"{", b"{}", None])
async def test_damaged_or_missing_keys_come_back_from_a_backup(store: Store, content: bytes | None) -> None:
    keys = json.loads(store.ring.envelope_path.read_bytes())
    if content is None:
        store.ring.envelope_path.unlink()
    else:
        store.ring.envelope_path.write_bytes(content)
    assert await store.turns() == ["first", "second", "newest"]
    assert json.loads(store.ring.envelope_path.read_bytes()) == keys


async def test_healing_cut_off_before_the_new_database_stands_is_done_again(store: Store) -> None:
    """The log is moved first: what is left may look whole and be older than any backup."""
    store.path.with_name(store.path.name + HEALING).touch()
    assert await store.turns() == ["first", "second"]
    assert not store.path.with_name(store.path.name + HEALING).exists()


async def test_a_card_that_dies_slowly_is_not_filled_by_what_is_set_aside(store: Store) -> None:
    for _ in range(4):
        store.spoil(9000)
        assert await store.turns() == ["first", "second"]
    aside = [file.name for file in store.path.parent.glob("*.damaged*") if "keys" not in file.name]
    assert len([name for name in aside if not name.endswith(("-wal", "-shm"))]) == SET_ASIDE


async def test_damage_that_shows_while_it_runs_is_noticed_by_the_store_itself(store: Store) -> None:
    opened = await store.open()
    database: Database = opened.database
    assert not database.damage.is_set()
    await database.checkpoint()
    for offset in range(8192, store.path.stat().st_size - 4096, 4096):
        store.spoil(offset)
    with pytest.raises(StoreError, match="STORE_DAMAGED"):
        await database.check()
    assert database.damage.is_set()
    await database.close()
