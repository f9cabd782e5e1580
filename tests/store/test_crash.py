"""A process that dies at any step of making, unlocking or restoring a state folder loses nothing."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from edge_assistant.errors import EdgeError, StoreError
from edge_assistant.memory.conversations import Conversations
from edge_assistant.store.backup import back_up, restore
from edge_assistant.store.database import Database
from edge_assistant.store.keys import KeyRing

STEPS = {"open", "os.rename", "os.link", "os.remove", "os.mkdir", "os.chmod"}
WRITING = os.O_WRONLY | os.O_RDWR
DIED, ENDED = 7, 0


def die_at_step(number: int) -> None:
    """Make this process end, as by kill -9, before the `number`th change it makes to a file system."""
    steps = iter(range(1, number + 1))

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        writes = event != "open" or (
            isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        )
        if event in STEPS and writes and next(steps, number) == number:
            os._exit(DIED)

    sys.addaudithook(hook)


def run_dying_at(number: int, work: Callable[[], object]) -> bool:
    """Do `work` in a process that dies at step `number`; return whether it did."""
    child = os.fork()
    if child == 0:
        try:
            die_at_step(number)
            work()
            os._exit(ENDED)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in {DIED, ENDED}
    return code == DIED


def every_crash(folder: Path, work: Callable[[Path], object]) -> Iterator[Path]:
    """Yield a copy of `folder` as it is after `work` on it died at its first, second, … step."""
    number, died = 0, True
    while died:
        number += 1
        here = folder.with_name(f"{folder.name}-{number}")
        shutil.copytree(folder, here)
        died = run_dying_at(number, lambda here=here: work(here))  # type: ignore[misc]
        yield here
    assert number > 5


async def _start(folder: Path) -> tuple[bytes, str | None]:
    path = folder / "assistant.db"
    keys = KeyRing(folder, {}).open(path)
    await (await Database.open(path, keys.data_key)).close()
    return keys.data_key, keys.recovery_code


def start(folder: Path) -> tuple[bytes, str | None]:
    """Do what the daemon does at its start."""
    return asyncio.run(_start(folder))


async def _add(folder: Path, key: bytes, turn_id: str, backup: Path) -> None:
    database = await Database.open(folder / "assistant.db", key)
    conversations = Conversations(database)
    await conversations.ensure_session("s", "me")
    await conversations.begin_turn(turn_id, "s", "me", turn_id)
    await back_up(database, folder / "keys.json", backup)
    await database.close()


async def _turns(path: Path, key: bytes) -> list[str]:
    database = await Database.open(path, key)
    try:
        return [turn.turn_id for turn in await Conversations(database).transcript("s", "me")]
    finally:
        await database.close()


def test_a_first_run_that_dies_at_any_step_is_followed_by_one_that_works(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    for folder in every_crash(tmp_path / "state", start):
        whole = (folder / "assistant.db").exists()
        key, code = start(folder)
        assert whole or code  # the code is shown unless the database was there already
        assert KeyRing(folder, {}).unlock() == key
        assert not [file.name for file in folder.iterdir() if file.name.endswith((".part", ".new"))]


def test_recovering_a_device_that_dies_at_any_step_can_be_done_again(tmp_path: Path) -> None:
    key, code = start(tmp_path / "state")
    (tmp_path / "state" / "device.key").unlink()
    for folder in every_crash(tmp_path / "state", lambda here: KeyRing(here, {}).recover(code or "")):
        assert KeyRing(folder, {}).recover(code or "") == key
        assert start(folder) == (key, None)


def test_a_restore_that_dies_at_any_step_loses_neither_the_old_nor_the_backup(tmp_path: Path) -> None:
    key, code = start(tmp_path / "backed-up")
    asyncio.run(_add(tmp_path / "backed-up", key, "backed-up", tmp_path / "backup"))
    old_key, _ = start(tmp_path / "state")
    command = [sys.executable, "-m", "tests.store.programs", "leave_a_log"]
    subprocess.run(
        [*command, str(tmp_path / "state" / "assistant.db"), old_key.hex()], check=True, timeout=60
    )

    def bring_back(here: Path) -> Path | None:
        return restore(tmp_path / "backup", code or "", here, {})

    for folder in every_crash(tmp_path / "state", bring_back):
        try:
            assert start(folder)[0] in {key, old_key}
        except StoreError as error:
            assert error.code == "STORE_WRONG_KEY"  # noqa: PT017
        bring_back(folder)
        assert asyncio.run(_turns(folder / "assistant.db", key)) == ["backed-up"]
        kept = [file for file in folder.iterdir() if file.name.endswith((".before-restore", "-2"))]
        contents = []
        for file in kept:
            try:
                contents += asyncio.run(_turns(file, old_key))
            except EdgeError as error:
                # A first try had set the file aside without its log, or had replaced it already.
                assert error.code in {"SESSION_NOT_FOUND", "STORE_WRONG_KEY"}  # noqa: PT017
        assert "t" in contents  # which stood in the log only
