"""A device that lost its device key, at the command line."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from edge_assistant.store.database import Database
from edge_assistant.store.keys import KeyRing


def command(state: Path, name: str, code: str = "") -> subprocess.CompletedProcess[str]:
    environ = os.environ | {"STATE_DIRECTORY": str(state), "EDGE_ASSISTANT_SECRET_RECOVERY_CODE": code}
    return subprocess.run(
        [sys.executable, "-m", "edge_assistant", name],
        env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_the_recovery_code_unlocks_a_device_that_lost_its_key(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path, {})
    keys = ring.open(tmp_path / "assistant.db")

    async def make() -> None:
        await (await Database.open(tmp_path / "assistant.db", keys.data_key)).close()

    asyncio.run(make())
    ring.device_key_path.unlink()

    refused = command(tmp_path, "recovery-code")
    assert refused.returncode == 1
    assert "KEY_MISSING" in refused.stderr
    assert "edge-assistant unlock" in refused.stderr
    assert "RECOVERY_CODE_NEEDED" in command(tmp_path, "unlock").stderr
    assert "RECOVERY_CODE_MISTYPED" in command(tmp_path, "unlock", "12345").stderr

    done = command(tmp_path, "unlock", keys.recovery_code or "")
    assert done.returncode == 0, done.stderr
    assert ring.unlock() == keys.data_key
    assert (keys.recovery_code or "-") not in done.stdout + done.stderr


def test_there_is_nothing_to_unlock_before_the_first_run(tmp_path: Path) -> None:
    done = command(tmp_path, "unlock", "anything")
    assert done.returncode == 1
    assert "NOTHING_STORED" in done.stderr
    assert list(tmp_path.iterdir()) == []
