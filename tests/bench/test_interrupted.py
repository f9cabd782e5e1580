"""A bench that is interrupted leaves no process behind, and where it could clean up no folder either."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from edge_assistant.config import Paths

ROOT = Path(__file__).parents[2]
BROKER = """
import pathlib, sys, time
from edge_assistant.bench.mosquitto import Mosquitto
Mosquitto(pathlib.Path(sys.argv[1])).start()
print("listens", flush=True)
time.sleep(600)
"""


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose path leaves room for the names of sockets."""
    with tempfile.TemporaryDirectory(prefix="ea", dir="/tmp") as folder:
        yield Path(folder)


def started(process: subprocess.Popen[bytes], count: int) -> list[psutil.Process]:
    """Wait until so many processes were started below this one, and return them."""
    deadline = time.monotonic() + 60
    while len(found := psutil.Process(process.pid).children(recursive=True)) < count:
        assert process.poll() is None, "it ended by itself"
        assert time.monotonic() < deadline, "it started nothing"
        time.sleep(0.05)
    return found


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_daemon_and_workers_of_an_interrupted_bench_end_with_it(
    number: signal.Signals, state: Paths, starter_model: Path, short: Path
) -> None:
    command = (sys.executable, "-m", "edge_assistant", "bench", "appliance")
    bench = subprocess.Popen(command, env={**os.environ, "TMPDIR": str(short)}, stdout=subprocess.DEVNULL)
    left = started(bench, 2)
    bench.send_signal(number)
    bench.wait(60)
    assert not psutil.wait_procs(left, timeout=60)[1]
    if number != signal.SIGKILL:
        assert list(short.iterdir()) == []


def test_a_broker_ends_with_who_started_it_though_root_starts_it(short: Path) -> None:
    """A broker that changed its user would not be told."""
    command = (sys.executable, "-c", BROKER, str(short))
    keeper = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    assert keeper.stdout is not None
    with keeper.stdout as said:
        assert said.readline() == b"listens\n"
    left = started(keeper, 1)
    keeper.kill()
    keeper.wait(60)
    assert not psutil.wait_procs(left, timeout=60)[1]
