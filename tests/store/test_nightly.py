"""Backups that are made by themselves: when, how many, in whose folder, and what forgetting does to them."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_assistant.errors import StoreError
from edge_assistant.memory.conversations import Conversations
from edge_assistant.store import nightly
from edge_assistant.store.backup import restore
from edge_assistant.store.database import Database
from edge_assistant.store.keys import KeyRing
from edge_assistant.store.nightly import (
    NightlyBackup,
    NightlyBackups,
    Rotation,
    is_due,
    nightly_backups,
    superfluous,
)

ROTATION = Rotation(hour=3, days=7, weeks=4)
START = datetime(2026, 5, 4, 3, 10)  # noqa: DTZ001 - local on purpose


class Device:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ring = KeyRing(folder, {})

    async def start(self, backups: Path, rotation: Rotation = ROTATION) -> Device:
        keys = self.ring.open(self.folder / "assistant.db")
        self.code = keys.recovery_code or ""
        self.database = await Database.open(self.folder / "assistant.db", keys.data_key)
        self.nightly = NightlyBackups(self.database, self.ring.envelope_path, backups, rotation)
        return self

    async def say(self, text: str) -> None:
        conversations = Conversations(self.database)
        await conversations.ensure_session("s", "me")
        await conversations.begin_turn(text.replace(" ", "-"), "s", "me", text)


@pytest.fixture
async def device(tmp_path: Path) -> AsyncIterator[Device]:
    started = await Device(tmp_path / "state").start(tmp_path / "backups")
    yield started
    await started.database.close()


def of(days: list[float]) -> list[NightlyBackup]:
    """Backups, newest first, made so many days after the start."""
    made = [NightlyBackup(Path(), "", number, START + timedelta(days=day)) for number, day in enumerate(days)]
    return made[::-1]


@pytest.mark.parametrize(
    ("last", "now", "due"),
    [
        (None, START, True),
        (START - timedelta(hours=1), START, True),
        (START - timedelta(minutes=5), START, False),
        (START, START + timedelta(hours=23, minutes=40), False),
        (START, START + timedelta(hours=23, minutes=55), True),
        (START, START + timedelta(days=400), True),
        (START + timedelta(days=20_000), START, True),  # the clock was wrong when the last one was made
        (START - timedelta(days=20_000), START, True),
    ],
)
def test_one_is_due_once_a_night_whatever_the_clock_said(
    last: datetime | None, now: datetime, due: bool
) -> None:
    assert is_due(last, now, 3) is due


def test_the_newest_of_seven_days_and_of_four_weeks_stay() -> None:
    backups = of([*range(60)])
    gone = {each.number for each in superfluous(backups, ROTATION)}
    kept = [each.made_at for each in backups if each.number not in gone]
    assert kept[:7] == [START + timedelta(days=day) for day in range(59, 52, -1)]
    assert [day.isoweekday() for day in kept[7:]] == [7, 7]  # two Sundays lie among the seven days
    assert len(kept) == 9


@given(st.lists(st.floats(min_value=-20_000, max_value=20_000), min_size=1, max_size=40))
def test_whatever_the_clock_said_the_newest_stays_and_the_number_is_bounded(days: list[float]) -> None:
    backups = of(days)
    gone = superfluous(backups, ROTATION)
    assert backups[0] not in gone
    assert len(backups) - len(gone) <= ROTATION.days + ROTATION.weeks


async def test_each_night_adds_one_and_rotation_removes_files_and_their_rows(
    device: Device, tmp_path: Path
) -> None:
    for day in range(9):
        assert await device.nightly.due(START + timedelta(days=day))
        await device.nightly.make(START + timedelta(days=day))
        assert not await device.nightly.due(START + timedelta(days=day, minutes=1))
    kept = nightly_backups(tmp_path / "backups")
    assert [each.number for each in kept] == [9, 8, 7, 6, 5, 4, 3]
    rows = await device.database.read(lambda db: db.execute("SELECT path FROM backups").fetchall())
    assert {Path(str(row[0])) for row in rows} == {each.path for each in kept}


async def test_restored_on_a_new_card_every_conversation_is_back_and_without_the_code_nothing_opens(
    device: Device, tmp_path: Path
) -> None:
    for number in range(50):
        await device.say(f"sentence {number}")
    made = await device.nightly.make(START)
    card = tmp_path / "new card"
    with pytest.raises(StoreError, match="RECOVERY_CODE_WRONG"):
        restore(made.path, Device(tmp_path / "other").ring.create().recovery_code or "", card, {})
    assert not (card / "assistant.db").exists()
    content = made.path.read_bytes()
    assert b"sentence" not in content
    restore(made.path, device.code, card, {})
    new = await Device(card).start(tmp_path / "backups")
    turns = await Conversations(new.database).transcript("s", "me", 100)
    assert [turn.user_text for turn in turns] == [f"sentence {number}" for number in range(50)]
    assert (await new.nightly.make(START + timedelta(days=1))).number == 2  # it goes on where the old one was
    await new.database.close()


async def test_another_device_in_the_same_folder_is_left_alone(device: Device, tmp_path: Path) -> None:
    theirs = await device.nightly.make(START)
    other = await Device(tmp_path / "other").start(tmp_path / "backups", Rotation(hour=3, days=1, weeks=0))
    for day in range(3):
        await other.nightly.make(START + timedelta(days=day))
    await other.database.close()
    assert len(nightly_backups(tmp_path / "backups")) == 2
    assert theirs.path.exists()


async def test_without_room_the_oldest_are_given_up_but_never_the_last_two(
    device: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in range(4):
        await device.nightly.make(START + timedelta(days=day))
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(nightly.shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(StoreError, match="BACKUP_NO_ROOM"):
        await device.nightly.make(START + timedelta(days=4))
    assert [each.number for each in nightly_backups(tmp_path / "backups")] == [4, 3]


async def test_a_folder_that_cannot_be_used_is_said(device: Device, tmp_path: Path) -> None:
    (tmp_path / "backups").write_text("a file")
    with pytest.raises(StoreError, match="STORE_UNAVAILABLE"):
        await device.nightly.make(START)


async def test_what_a_cut_off_backup_left_is_cleared_away(device: Device, tmp_path: Path) -> None:
    made = await device.nightly.make(START)
    left = made.path.with_name(made.path.name + ".db-part")
    left.write_bytes(b"half")
    await device.nightly.make(START + timedelta(days=1))
    assert not left.exists()
