"""Nightly backups and healing as the daemon does them."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from edge_assistant.config import BackupSettings, Config, Paths
from edge_assistant.ops.notices import Notices
from edge_assistant.store.database import Database
from edge_assistant.store.keys import KeyRing
from edge_assistant.store.nightly import NightlyBackups, nightly_backups
from edge_assistant.wiring.backups import back_up_when_due, open_healed, start_backups
from edge_assistant.workers.background import Background
from tests.daemon import Daemon

NIGHT = datetime(2026, 5, 4, 4)  # noqa: DTZ001 - local on purpose


class House:
    """A store with its nightly backups, and the notices that people see."""

    def __init__(self, folder: Path) -> None:
        self.paths = Paths(state=folder, models=folder)
        self.ring = KeyRing(folder, {})
        self.notices = Notices()
        self.restarted = asyncio.Event()

    async def start(self, stack: AsyncExitStack, settings: BackupSettings) -> NightlyBackups | None:
        config = Config(backups=settings)
        opened = await open_healed(config, self.paths, self.ring, self.notices)
        self.database: Database = opened.database
        stack.push_async_callback(self.database.close)
        return await start_backups(
            stack, config, self.paths,
            database=self.database, ring=self.ring, notices=self.notices, background=Background(),
            restart=self.restarted.set,
        )  # fmt: skip

    def codes(self) -> list[str]:
        return [notice.code for notice in self.notices.shown]

    def spoil(self) -> None:
        """Spoil most pages, the first ones spared: it still opens."""
        with self.paths.database.open("r+b") as file:
            for offset in range(16384, self.paths.database.stat().st_size - 4096, 4096):
                file.seek(offset)
                file.write(bytes(64))


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "state")


async def test_a_failed_backup_is_said_until_one_succeeds(house: House, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.write_text("no folder")
    async with AsyncExitStack() as stack:
        backups = await house.start(stack, BackupSettings(folder=str(target)))
        assert backups is not None
        await back_up_when_due(backups, house.notices, NIGHT)
        assert house.codes() == ["BACKUP_FAILED"]
        target.unlink()
        await back_up_when_due(backups, house.notices, NIGHT)
        await back_up_when_due(backups, house.notices, NIGHT + timedelta(hours=1))
        assert house.codes() == []
        assert len(nightly_backups(target)) == 1


async def test_a_folder_that_the_disk_can_not_read_ends_no_later_night(house: House, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        backups = await house.start(stack, BackupSettings(folder=str(tmp_path / ("x" * 300))))
        assert backups is not None
        await back_up_when_due(backups, house.notices, NIGHT)
        assert house.codes() == ["BACKUP_FAILED"]


async def test_damage_while_it_runs_leads_to_a_new_start_that_heals(house: House) -> None:
    async with AsyncExitStack() as stack:
        backups = await house.start(stack, BackupSettings())
        assert backups is not None
        await backups.make(NIGHT)
        assert await house.database.checkpoint()
        house.spoil()
        house.database.damage.set()
        await asyncio.wait_for(house.restarted.wait(), 30)
    async with AsyncExitStack() as stack:
        await house.start(stack, BackupSettings())
        assert house.codes() == ["STORE_RESTORED"]
        await house.database.check()
        house.notices.dismiss("STORE_RESTORED")
    async with AsyncExitStack() as stack:
        await house.start(stack, BackupSettings())
        assert house.codes() == []


async def test_damage_without_a_backup_is_said_and_what_can_be_read_goes_on(house: House) -> None:
    async with AsyncExitStack() as stack:
        assert await house.start(stack, BackupSettings(enabled=False)) is None
        assert await house.database.checkpoint()
        house.spoil()
        house.database.damage.set()
        async with asyncio.timeout(30):
            while not house.codes():
                await asyncio.sleep(0.01)
        assert house.codes() == ["STORE_DAMAGED"]
        assert not house.restarted.is_set()


async def test_a_single_misreading_is_no_damage(house: House) -> None:
    async with AsyncExitStack() as stack:
        await house.start(stack, BackupSettings())
        house.database.damage.set()
        async with asyncio.timeout(30):
            while house.database.damage.is_set():
                await asyncio.sleep(0.01)
        assert house.codes() == []


def test_a_daemon_comes_back_from_a_damaged_card_and_says_so(make_daemon, monkeypatch) -> None:
    monkeypatch.setenv("EDGE_ASSISTANT__LLM__MODEL", "/no/model.gguf")
    daemon: Daemon = make_daemon()
    made = daemon.cli("backup")
    assert made.returncode == 0, made.stderr
    assert "nightly-" in made.stdout
    daemon.stop()
    content = bytearray(daemon.paths.database.read_bytes())
    content[9000:9064] = bytes(64)
    daemon.paths.database.write_bytes(content)
    daemon.start()
    (notice,) = daemon.order(type="status")["notices"]
    assert notice["code"] == "STORE_RESTORED"
    assert "the store was healed" in daemon.log
    assert daemon.paths.database.with_name("assistant.db.damaged").read_bytes() == bytes(content)
