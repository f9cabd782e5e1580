"""The bundle that machines are installed from: made once, also for tests that run side by side."""

from __future__ import annotations

import fcntl
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory, starter_model: Path, worker_id: str) -> Path:
    """What `make bundle` puts together."""
    assert starter_model.exists()
    shared = tmp_path_factory.getbasetemp()
    folder = (shared if worker_id == "master" else shared.parent) / "bundle"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            done = subprocess.run(
                ("make", "--no-print-directory", "bundle", f"BUNDLE={folder}.part", "ARGS="),
                cwd=ROOT, capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
            folder.with_name("bundle.part").rename(folder)
    return folder
