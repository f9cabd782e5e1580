"""One process at a time owns a state folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edge_assistant.errors import StoreError
from edge_assistant.store.lock import StateLock


def test_a_second_process_is_refused_until_the_first_is_gone_even_by_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "state" / "lock"
    command = [sys.executable, "-m", "tests.store.programs", "hold_the_lock", str(path), ""]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with pytest.raises(StoreError) as caught:
            StateLock(path).acquire()
        assert caught.value.code == "STATE_IN_USE"
        assert f"process {first.pid};" in caught.value.message
        second = subprocess.run(command, input="", capture_output=True, text=True, timeout=60, check=False)
        assert second.returncode == 1
        assert "STATE_IN_USE" in second.stderr
        first.kill()
    with StateLock(path):
        assert path.read_text().strip().isdigit()
    with StateLock(path):
        pass


def test_two_locks_in_one_process_exclude_each_other_too(tmp_path: Path) -> None:
    with StateLock(tmp_path / "lock"), pytest.raises(StoreError, match="STATE_IN_USE"):
        StateLock(tmp_path / "lock").acquire()
