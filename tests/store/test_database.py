"""The encrypted database with real files, processes and a real full disk."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import apsw
import pytest

from edge_assistant.errors import StoreError
from edge_assistant.memory.conversations import Conversations
from edge_assistant.store import connection as connection_module
from edge_assistant.store.connection import connect
from edge_assistant.store.database import Database
from tests.store.conftest import hashes


def program(name: str, path: Path, key: bytes) -> list[str]:
    return [sys.executable, "-m", "tests.store.programs", name, str(path), key.hex()]


def leave_a_log(path: Path, key: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(program("leave_a_log", path, key), check=True, timeout=60)
    assert path.with_name(path.name + "-wal").stat().st_size > 0


async def fill(path: Path, key: bytes, rows: int = 60) -> bytes:
    """Make a database of some pages and return its bytes."""
    database = await Database.open(path, key)
    conversations = Conversations(database)
    await conversations.ensure_session("s", "me")
    for number in range(rows):
        await conversations.begin_turn(f"t{number}", "s", "me", f"{number} " * 500)
    await database.close()
    return path.read_bytes()


async def test_every_acknowledged_turn_survives_kill_9(path: Path, key: bytes) -> None:
    acknowledged: list[str] = []
    for wanted in (1, 7, 40, 150):
        with subprocess.Popen(program("acknowledge", path, key), stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            acknowledged += [writer.stdout.readline().strip() for _ in range(wanted)]
            writer.kill()
            acknowledged += [line.strip() for line in writer.stdout if line.endswith("\n")]
        database = await Database.open(path, key)
        await database.check()
        turns = {turn.turn_id: turn for turn in await Conversations(database).transcript("s", "me", 100_000)}
        await database.close()
        for turn_id in acknowledged:
            assert turns[turn_id].user_text == "question " + turn_id
            assert turns[turn_id].answer_text == "answer " + turn_id
            assert turns[turn_id].status == "complete"


@pytest.mark.parametrize("with_log", [False, True])
async def test_a_wrong_key_is_refused_and_changes_nothing(path: Path, key: bytes, with_log: bool) -> None:
    await fill(path, key)
    if with_log:
        leave_a_log(path, key)
    before = hashes(path.parent)
    with pytest.raises(StoreError) as caught:
        await Database.open(path, secrets.token_bytes(32))
    assert caught.value.code == "STORE_WRONG_KEY"
    assert hashes(path.parent) == before
    database = await Database.open(path, key)
    assert len(await Conversations(database).transcript("s", "me", 100)) == 60 + with_log
    await database.close()


PAGE = 4096


async def test_a_flipped_byte_anywhere_is_found_and_changes_nothing(path: Path, key: bytes) -> None:
    whole = await fill(path, key)
    assert len(whole) > 20 * 4096
    for offset in (0, 15, 16, 18, 23, 24, 99, 4095, 4096, 5000, len(whole) // 2, len(whole) - 1):
        content = bytearray(whole)
        content[offset] ^= 0x20
        path.write_bytes(content)
        with pytest.raises(StoreError) as caught:
            await Database.open(path, key)
        assert caught.value.code == ("STORE_WRONG_KEY" if offset < 16 else "STORE_DAMAGED"), offset
        assert "left as it" in caught.value.message
        assert path.read_bytes() == content


async def test_a_truncated_file_is_found_and_changes_nothing(path: Path, key: bytes) -> None:
    whole = await fill(path, key)
    for length in (0, 1, 16, 511, 512, 4095, 4096, 8192, len(whole) - 4096, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(StoreError) as caught:
            await Database.open(path, key)
        assert caught.value.code == "STORE_DAMAGED", length
        assert path.read_bytes() == whole[:length]


async def test_a_file_that_is_no_database_of_ours_is_left_alone(path: Path, key: bytes) -> None:
    path.parent.mkdir(parents=True)
    plain = apsw.Connection(str(path))
    plain.execute("CREATE TABLE letters(x); INSERT INTO letters VALUES('keep me')")
    plain.close()
    before = hashes(path.parent)
    with pytest.raises(StoreError, match="STORE_WRONG_KEY"):
        await Database.open(path, key)
    assert hashes(path.parent) == before


def pages_in_log(path: Path) -> set[int]:
    """Return the numbers of the pages that the log replaces (SQLite file format, 4.1)."""
    log = path.with_name(path.name + "-wal").read_bytes()
    return {int.from_bytes(log[start : start + 4], "big") for start in range(32, len(log), 24 + PAGE)}


async def test_damage_with_a_log_beside_it_changes_neither(path: Path, key: bytes) -> None:
    await fill(path, key)
    leave_a_log(path, key)
    content = bytearray(path.read_bytes())
    replaced = pages_in_log(path)
    page = next(number for number in range(len(content) // PAGE // 3, len(content)) if number not in replaced)
    content[(page - 1) * PAGE + 100] ^= 1
    path.write_bytes(content)
    before = hashes(path.parent)
    with pytest.raises(StoreError, match="STORE_DAMAGED"):
        await Database.open(path, key)
    assert hashes(path.parent) == before


async def test_damage_in_a_large_database_is_found_when_it_is_read(
    path: Path, key: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "CHECKED_BYTES", 0)
    content = bytearray(await fill(path, key))
    content[-10] ^= 1
    path.write_bytes(content)
    database = await Database.open(path, key)
    with pytest.raises(StoreError, match="STORE_DAMAGED"):
        await database.check()
    with pytest.raises(StoreError, match="STORE_DAMAGED"):
        await Conversations(database).transcript("s", "me", 100)
    await database.close()


async def test_a_log_without_its_database_is_never_taken_for_a_new_start(path: Path, key: bytes) -> None:
    leave_a_log(path, key)
    shutil.move(path, path.with_name("elsewhere"))
    before = hashes(path.parent)
    with pytest.raises(StoreError, match="STORE_DAMAGED"):
        await Database.open(path, key)
    assert hashes(path.parent) == before


async def test_what_a_crash_while_creating_left_behind_is_harmless(path: Path, key: bytes) -> None:
    path.parent.mkdir(parents=True)
    path.with_name("assistant.db.new").write_bytes(b"half")
    await (await Database.open(path, key)).close()
    assert [file.name for file in path.parent.iterdir()] == ["assistant.db"]


async def test_only_this_user_may_read_the_files(path: Path, database: Database) -> None:
    await database.write(lambda db: db.execute("CREATE TABLE t(x)").fetchall())
    modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert modes == dict.fromkeys(("assistant.db", "assistant.db-wal", "assistant.db-shm"), 0o600)


async def test_an_error_in_a_write_rolls_back_all_of_it(database: Database) -> None:
    await database.write(lambda db: db.execute("CREATE TABLE t(x)").fetchall())

    def work(db: apsw.Connection) -> None:
        db.execute("INSERT INTO t VALUES(1)")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await database.write(work)
    assert await database.read(lambda db: db.execute("SELECT * FROM t").fetchall()) == []


async def test_a_reader_can_not_write(database: Database) -> None:
    with pytest.raises(StoreError):
        await database.read(lambda db: db.execute("CREATE TABLE t(x)").fetchall())


async def test_a_read_sees_one_state_while_writes_go_on(database: Database) -> None:
    await database.write(lambda db: db.execute("CREATE TABLE t(x)").fetchall())
    looked, written = threading.Event(), threading.Event()

    def count_twice(db: apsw.Connection) -> list[int]:
        first = db.execute("SELECT count(*) FROM t").fetchall()
        looked.set()
        assert written.wait(30)
        return [int(row[0]) for row in first + db.execute("SELECT count(*) FROM t").fetchall()]

    reading = asyncio.create_task(database.read(count_twice), name="read")
    await asyncio.to_thread(looked.wait, 30)
    await database.write(lambda db: db.execute("INSERT INTO t VALUES(1)").fetchall())
    assert not await database.checkpoint()  # the reader still needs the log; nobody waits for it
    written.set()
    assert await reading == [0, 0]
    assert await database.checkpoint()


async def test_a_cancelled_write_happens_whole_or_not_at_all(database: Database) -> None:
    await database.write(lambda db: db.execute("CREATE TABLE t(x)").fetchall())
    begun, go_on = threading.Event(), threading.Event()

    def slow(db: apsw.Connection) -> None:
        db.execute("INSERT INTO t VALUES('first half')")
        begun.set()
        assert go_on.wait(30)
        db.execute("INSERT INTO t VALUES('second half')")

    running = asyncio.create_task(database.write(slow), name="running")
    await asyncio.to_thread(begun.wait, 30)
    waiting = asyncio.create_task(
        database.write(lambda db: db.execute("INSERT INTO t VALUES('never')").fetchall()), name="waiting"
    )
    await asyncio.sleep(0)
    running.cancel()
    waiting.cancel()
    assert [type(result) for result in await asyncio.gather(running, waiting, return_exceptions=True)] == [
        asyncio.CancelledError,
        asyncio.CancelledError,
    ]
    go_on.set()
    await database.write(lambda db: db.execute("INSERT INTO t VALUES('later')").fetchall())
    rows = await database.read(lambda db: db.execute("SELECT x FROM t ORDER BY rowid").fetchall())
    assert rows == [("first half",), ("second half",), ("later",)]


async def test_many_writers_at_once_are_all_stored(database: Database) -> None:
    await database.write(lambda db: db.execute("CREATE TABLE t(x)").fetchall())

    async def insert(number: int) -> None:
        await database.write(lambda db: db.execute("INSERT INTO t VALUES(?)", (number,)).fetchall())

    await asyncio.gather(*(insert(number) for number in range(500)))
    rows = await database.read(lambda db: db.execute("SELECT x FROM t ORDER BY rowid").fetchall())
    assert rows == [(number,) for number in range(500)]


async def test_closing_finishes_what_was_begun_and_leaves_one_file(path: Path, key: bytes) -> None:
    database = await Database.open(path, key)
    await database.read(lambda _: None)
    writing = asyncio.create_task(
        database.write(lambda db: db.execute("CREATE TABLE t AS SELECT 1 AS x").fetchall()), name="write"
    )
    await asyncio.sleep(0)
    await database.close()
    await database.close()
    await writing
    assert [file.name for file in path.parent.iterdir()] == ["assistant.db"]
    with pytest.raises(StoreError, match="STORE_CLOSED"):
        await database.read(lambda _: None)
    assert "store-writer_0" not in {thread.name for thread in threading.enumerate()}


async def test_the_settings_that_make_it_durable_and_private_are_on(path: Path, key: bytes) -> None:
    await (await Database.open(path, key)).close()
    with connect(path, key) as connection:
        settings = {
            name: connection.pragma(name)
            for name in (
                "cipher",
                "journal_mode",
                "synchronous",
                "secure_delete",
                "foreign_keys",
                "temp_store",
            )
        }
    connection.close()
    assert settings == {
        "cipher": "chacha20",
        "journal_mode": "wal",
        "synchronous": 2,
        "secure_delete": 1,
        "foreign_keys": 1,
        "temp_store": 2,
    }


@pytest.mark.parametrize(
    "name",
    ["fill_the_disk", "start_on_a_full_disk", "back_up_to_a_full_disk", "migrate_on_a_full_disk"],
)
def test_a_full_disk_is_a_clear_error_and_loses_nothing(tmp_path: Path, key: bytes, name: str) -> None:
    """On a real file system of 2 MB, in a mount namespace of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
    mount = ["unshare", "--mount", *as_root, "sh", "-c"]
    mount.append('mount -t tmpfs -o size=2m tmpfs "$0" && echo mounted && exec "$@"')
    command = [*mount, str(disk), *program(name, disk / "assistant.db", key)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if "mounted" not in done.stdout:
        pytest.fail(f"this test needs root or user namespaces to mount a small disk: {done.stderr}")
    assert done.returncode == 0, done.stderr
