"""What the daemon keeps when things break: restarts, kills, frozen and dead workers."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from edge_assistant.config import Paths
from tests.daemon import Client, Daemon

STORY = "Write a long story about a lighthouse keeper, her dog and the sea, with many details."


def worker_of(daemon: Daemon) -> psutil.Process:
    return next(each for each in daemon.workers if "workers.child" in " ".join(each.cmdline()))


def begin_story(client: Client) -> str:
    """Ask for something long and return its id when a few words of it came."""
    turn_id = client.ask(STORY, session="story")
    for _ in range(5):
        client.until("text.delta")
    return turn_id


def test_a_conversation_goes_on_after_a_restart(daemon: Daemon) -> None:
    first = daemon.ask("Remember the word kestrel.", session="s1")
    daemon.restart()
    second = daemon.ask("Which word?", session="s1")
    assert second["type"] == "turn.finished"
    assert second["usage"]["cached_tokens"] >= first["usage"]["prompt_tokens"], "its KV came from the disk"
    assert daemon.order(type="sessions")["items"][0]["turns"] == 2


def test_an_acknowledged_message_survives_kill_9(daemon: Daemon) -> None:
    daemon.ask("Remember the word kestrel.", session="story")
    with daemon.connect() as client:
        turn_id = begin_story(client)
        daemon.kill()
    assert not _left(daemon)
    daemon.start()
    with daemon.connect() as client:
        client.send(type="resume", id=turn_id)
        assert client.until("turn.finished")[-1]["status"] == "interrupted"
    items = daemon.order(type="sessions")["items"]
    assert [(each["id"], each["turns"]) for each in items] == [("story", 2)]
    assert daemon.ask("And now?", session="story")["type"] == "turn.finished"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_mid_answer_stores_the_part_and_marks_it(daemon: Daemon, number: signal.Signals) -> None:
    with daemon.connect() as client:
        turn_id = begin_story(client)
        daemon._note_processes()
        os.kill(daemon.pid, number)
        last = client.until("turn.finished", "turn.failed")[-1]
        assert (last["type"], last["status"]) == ("turn.finished", "interrupted")
        assert client.closed()
    assert daemon.process is not None
    assert daemon.process.wait(30) == 0
    assert not _left(daemon)
    assert not daemon.control.exists()
    daemon.start()
    with daemon.connect() as client:
        client.send(type="resume", id=turn_id)
        again = client.until("turn.finished")[-1]
    assert again["status"] == "interrupted"
    assert again["text"] == last["text"]
    assert len(again["text"]) > 10


def test_a_terminal_says_that_an_answer_was_cut_off(daemon: Daemon) -> None:
    with daemon.begin("ask", STORY) as asking:
        assert asking.stdout is not None
        assert asking.stdout.read(1)
        daemon.stop()
        _, errors = asking.communicate()
    assert errors.splitlines()[-1] == "(stopped)"
    assert asking.returncode == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_worker_that_dies_or_freezes_in_mid_answer_costs_no_word(
    daemon: Daemon, number: signal.Signals
) -> None:
    with daemon.connect() as client:
        client.ask(STORY, session="story")
        events = client.until("text.delta")
        worker = worker_of(daemon)
        os.kill(worker.pid, number)
        events += client.until("turn.finished", "turn.failed")
    last = events[-1]
    assert last["type"] == "turn.finished", last
    assert last["status"] in {"complete", "truncated"}
    assert last["text"] == "".join(each["text"] for each in events if each["type"] == "text.delta")
    assert len(last["text"]) > 100
    assert worker_of(daemon).pid != worker.pid
    assert daemon.ask("Say hello.")["type"] == "turn.finished"
    assert not worker.is_running() or worker.status() == "zombie"


def test_a_second_signal_does_not_wait_for_a_frozen_worker(daemon: Daemon) -> None:
    daemon.wait_for_model()
    daemon._note_processes()
    os.kill(worker_of(daemon).pid, signal.SIGSTOP)
    os.kill(daemon.pid, signal.SIGINT)
    daemon.wait_until(lambda: daemon.log.count("stopping"))
    os.kill(daemon.pid, signal.SIGINT)
    assert daemon.process is not None
    assert daemon.process.wait(30) == 0
    assert "stopping without waiting for the model" in daemon.log
    assert not _left(daemon)


def test_disk_full_refuses_a_message_clearly_and_keeps_what_was_there(
    make_daemon: Callable[..., Daemon], state: Paths, starter_model: Path
) -> None:
    state.state.mkdir(mode=0o700, parents=True)
    mounted = subprocess.run(
        ("mount", "-t", "tmpfs", "-o", "size=3m,mode=0700", "tmpfs", str(state.state)),
        check=False,
        capture_output=True,
    )
    assert mounted.returncode == 0, f"this test mounts a small disk: {mounted.stderr.decode()}"
    try:
        daemon = make_daemon(EDGE_ASSISTANT__LLM__SNAPSHOT_LIMIT_MB="0")
        daemon.ask("Say hello.", session="kept")
        filler = state.state / "filler"
        _fill(filler)
        codes = {_refused(daemon) for _ in range(40)}
        assert "STORE_FULL" in codes
        filler.unlink()
        assert daemon.ask("And now?", session="kept")["type"] == "turn.finished"
        daemon.stop()
    finally:
        subprocess.run(("umount", "--lazy", str(state.state)), check=True)


def _fill(filler: Path) -> None:
    """Write until the disk is full."""
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass


def _refused(daemon: Daemon) -> str:
    with daemon.connect() as client:
        client.ask("Say hello. " * 400)
        last = client.until("turn.finished", "turn.failed", "error")[-1]
    return str(last.get("code", ""))


def _left(daemon: Daemon) -> list[psutil.Process]:
    """Return workers that outlive the daemon; the kernel ends them a moment after it."""
    deadline = time.monotonic() + 30
    while daemon.left_processes() and time.monotonic() < deadline:
        time.sleep(0.05)
    return daemon.left_processes()
