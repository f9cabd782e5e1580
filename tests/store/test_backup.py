"""Backups taken while writing goes on, and brought back on another device."""

from __future__ import annotations

import asyncio
import io
import secrets
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from edge_assistant.errors import StoreError
from edge_assistant.memory.conversations import Conversations
from edge_assistant.store.backup import back_up, restore
from edge_assistant.store.database import Database
from edge_assistant.store.keys import KeyRing
from edge_assistant.store.lock import StateLock
from edge_assistant.store.recovery import new_code
from tests.store.conftest import hashes

SENTENCE = "The blue heron nests behind the old mill."


class Device:
    """A state folder in use."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ring = KeyRing(folder, {})
        self.code = ""

    async def start(self) -> Conversations:
        path = self.folder / "assistant.db"
        keys = self.ring.open(path)
        self.code = keys.recovery_code or self.code
        self.database = await Database.open(path, keys.data_key)
        return Conversations(self.database)

    async def stop(self) -> None:
        await self.database.close()


@pytest.fixture
async def old(tmp_path: Path) -> AsyncIterator[Device]:
    device = Device(tmp_path / "old")
    conversations = await device.start()
    await conversations.ensure_session("s", "me")
    await conversations.begin_turn("t", "s", "me", SENTENCE)
    yield device
    await device.stop()


async def turns_in(folder: Path) -> list[str]:
    device = Device(folder)
    turns = await (await device.start()).transcript("s", "me", 100_000)
    await device.stop()
    return [turn.turn_id for turn in turns]


async def test_a_backup_taken_while_writing_opens_on_a_new_device(old: Device, tmp_path: Path) -> None:
    conversations, enough, stored = Conversations(old.database), asyncio.Event(), []

    async def write_on() -> None:
        while len(stored) < 5_000 and not (backed_up.is_set() and len(stored) > 200):
            await conversations.begin_turn(f"t{len(stored)}", "s", "me", SENTENCE * 20)
            stored.append(f"t{len(stored)}")
            if len(stored) == 100:
                enough.set()

    backed_up = asyncio.Event()
    writing = asyncio.create_task(write_on(), name="write")
    await enough.wait()
    before = list(stored)
    size = await back_up(old.database, old.ring.envelope_path, tmp_path / "backup")
    after = len(stored)
    backed_up.set()
    await writing
    assert after > len(before)  # it was written meanwhile
    assert (tmp_path / "backup").stat().st_size == size
    assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o600
    assert sorted(file.name for file in tmp_path.iterdir()) == ["backup", "old"]

    assert restore(tmp_path / "backup", old.code.lower().replace("-", " "), tmp_path / "new", {}) is None
    restored = await turns_in(tmp_path / "new")
    assert restored == [
        "t",
        *stored[: len(restored) - 1],
    ]  # one state: no gap, nothing acknowledged before is lost
    assert len(restored) > len(before)
    assert {file.name for file in (tmp_path / "new").iterdir()} == {
        "assistant.db", "device.key", "keys.json", "lock",
    }  # fmt: skip


async def test_restoring_keeps_the_old_database_its_log_and_keys_aside(old: Device, tmp_path: Path) -> None:
    await back_up(old.database, old.ring.envelope_path, tmp_path / "backup")
    here = Device(tmp_path / "here")
    await here.start()
    await here.stop()
    key = here.ring.unlock()
    command = [sys.executable, "-m", "tests.store.programs", "leave_a_log"]
    subprocess.run([*command, str(here.folder / "assistant.db"), key.hex()], check=True, timeout=60)

    aside = restore(tmp_path / "backup", old.code, here.folder, {})
    assert aside == here.folder / "assistant.db.before-restore"
    assert await turns_in(here.folder) == ["t"]
    again = restore(tmp_path / "backup", old.code, here.folder, {})
    assert again is not None
    assert again != aside

    kept = await Database.open(aside, key)
    texts = [turn.user_text for turn in await Conversations(kept).transcript("s", "me")]
    await kept.close()
    assert texts == ["in the log"]
    (tmp_path / "away").mkdir()
    (tmp_path / "away" / "keys.json").write_bytes(Path(f"{aside}.keys.json").read_bytes())
    assert KeyRing(tmp_path / "away", {}).recover(here.code) == key


async def test_the_restored_device_needs_no_code_and_the_code_still_opens_it(
    old: Device, tmp_path: Path
) -> None:
    await back_up(old.database, old.ring.envelope_path, tmp_path / "backup")
    restore(tmp_path / "backup", old.code, tmp_path / "new", {})
    new = KeyRing(tmp_path / "new", {})
    assert new.unlock() == new.recover(old.code) == old.ring.unlock()
    device_keys = [(folder / "device.key").read_bytes() for folder in (tmp_path / "new", old.folder)]
    assert device_keys[0] != device_keys[1]


async def test_restoring_is_refused_while_the_folder_is_in_use(old: Device, tmp_path: Path) -> None:
    await back_up(old.database, old.ring.envelope_path, tmp_path / "backup")
    with StateLock(old.folder / "lock"), pytest.raises(StoreError, match="STATE_IN_USE"):
        restore(tmp_path / "backup", old.code, old.folder, {})


async def test_a_backup_never_replaces_a_file(old: Device, tmp_path: Path) -> None:
    before = hashes(old.folder)
    with pytest.raises(StoreError, match="BACKUP_EXISTS"):
        await back_up(old.database, old.ring.envelope_path, old.folder / "assistant.db")
    assert hashes(old.folder) == before
    with pytest.raises(StoreError, match="STORE_UNAVAILABLE"):
        await back_up(old.database, old.ring.envelope_path, tmp_path / "missing" / "backup")


def pack(path: Path, *members: tuple[str, bytes | None]) -> None:
    """Write a tar of `members`; content None makes a symbolic link to /etc/passwd."""
    with tarfile.open(path, "w") as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if content is None:
                member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            member.size = len(content or b"")
            archive.addfile(member, io.BytesIO(content or b""))


Spoil = Callable[[bytes, bytes, Path], None]

SPOILS: dict[str, Spoil] = {
    "no tar": lambda _k, _d, path: void(path.write_bytes(b"hello")),
    "empty": lambda _k, _d, path: void(path.write_bytes(b"")),
    "no database": lambda keys, _d, path: pack(path, ("keys.json", keys)),
    "another order": lambda keys, db, path: pack(path, ("assistant.db", db), ("keys.json", keys)),
    "a path": lambda keys, db, path: pack(path, ("../keys.json", keys), ("../../assistant.db", db)),
    "an absolute path": lambda keys, db, path: pack(path, ("/keys.json", keys), ("/assistant.db", db)),
    "a link": lambda keys, _d, path: pack(path, ("keys.json", keys), ("assistant.db", None)),
    "huge keys": lambda keys, db, path: pack(path, ("keys.json", keys + b" " * 9999), ("assistant.db", db)),
    "half a database": lambda keys, db, path: pack(path, ("keys.json", keys), ("assistant.db", db[:8192])),
    "a flipped byte": lambda keys, db, path: pack(
        path, ("keys.json", keys), ("assistant.db", db[:9000] + bytes([db[9000] ^ 1]) + db[9001:])
    ),
    "another key's database": lambda keys, db, path: pack(
        path, ("keys.json", keys), ("assistant.db", secrets.token_bytes(16) + db[16:])
    ),
}


def void(_: object) -> None:
    """Make an expression a statement."""


@pytest.mark.parametrize("spoil", SPOILS)
async def test_a_spoilt_backup_is_refused_before_anything_changes(
    old: Device, tmp_path: Path, spoil: str
) -> None:
    await back_up(old.database, old.ring.envelope_path, tmp_path / "backup")
    with tarfile.open(tmp_path / "backup") as archive:
        contents = {name: archive.extractfile(name) for name in archive.getnames()}
        assert list(contents) == ["keys.json", "assistant.db"]
        keys, database = (file.read() for file in contents.values() if file)
    SPOILS[spoil](keys, database, tmp_path / "spoilt")
    here = Device(tmp_path / "here")
    await here.start()
    await here.stop()
    with StateLock(here.folder / "lock"):
        pass
    before = hashes(here.folder) | {"lock": ""}
    with pytest.raises(StoreError, match="BACKUP_DAMAGED"):
        restore(tmp_path / "spoilt", old.code, here.folder, {})
    assert hashes(here.folder) | {"lock": ""} == before


async def test_a_backup_cut_short_at_any_block_is_refused(old: Device, tmp_path: Path) -> None:
    await back_up(old.database, old.ring.envelope_path, tmp_path / "backup")
    whole = (tmp_path / "backup").read_bytes()
    for length in range(0, len(whole) - 10_240, 5_000):
        (tmp_path / "cut").write_bytes(whole[:length])
        with pytest.raises(StoreError, match="BACKUP_DAMAGED"):
            restore(tmp_path / "cut", old.code, tmp_path / "new", {})
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["lock"]


async def test_a_wrong_code_or_a_missing_backup_changes_nothing(old: Device, tmp_path: Path) -> None:
    await back_up(old.database, old.ring.envelope_path, tmp_path / "backup")
    with pytest.raises(StoreError, match="RECOVERY_CODE_WRONG"):
        restore(tmp_path / "backup", new_code(), tmp_path / "new", {})
    with pytest.raises(StoreError, match="BACKUP_MISSING"):
        restore(tmp_path / "nothing", old.code, tmp_path / "new", {})
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["lock"]


async def test_no_file_holds_a_message_or_a_key_in_the_clear(old: Device, tmp_path: Path) -> None:
    conversations = Conversations(old.database)
    await conversations.finish_turn("t", SENTENCE[::-1], [1, 2, 3], "model", "complete")
    await back_up(old.database, old.ring.envelope_path, tmp_path / "backup")
    data_key, snapshot_key = old.ring.unlock(), await conversations.snapshot_key("s")
    secret = [SENTENCE[:12].encode(), SENTENCE[::-1][:12].encode(), b"heron", b"sessions", b"turns"]
    secret += [data_key, data_key.hex().encode(), snapshot_key, old.code.encode(), old.code[:5].encode()]
    files = [*old.folder.iterdir(), tmp_path / "backup"]
    assert {"assistant.db", "assistant.db-wal", "keys.json"} <= {file.name for file in files}
    for file in files:
        content = file.read_bytes()
        assert not [text for text in secret if text in content], file.name
