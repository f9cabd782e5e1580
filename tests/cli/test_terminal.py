"""What a person at a terminal sees, in real pseudo-terminals."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_assistant.cli.terminal import came_from, printable
from edge_assistant.config import Paths
from tests.daemon import Daemon

SECONDS = 60.0


class Terminal:
    """A command in a terminal of its own."""

    def __init__(self, *words: str, stderr: int | None = None) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            (sys.executable, "-m", "edge_assistant", *words),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs if stderr is None else stderr,
            start_new_session=True,
            preexec_fn=_take_terminal,  # noqa: PLW1509 - one thread only
        )
        os.close(theirs)
        self.seen = ""

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Read until something is there."""
        deadline = time.monotonic() + SECONDS
        while not (found := re.search(pattern, self.seen)):
            assert time.monotonic() < deadline, self.seen
            assert self._read(), self.seen
        return found

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def end(self) -> int:
        """Read the rest and return the exit code."""
        while self._read():
            pass
        return self.process.wait(SECONDS)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(60)
            self.process.kill()
        self.process.wait()
        os.close(self._ours)

    def _read(self) -> bool:
        if not select.select([self._ours], [], [], SECONDS)[0]:
            return False
        with contextlib.suppress(OSError):  # the other end is closed
            data = os.read(self._ours, 4096).decode("utf-8", "replace")
            self.seen += data
            return bool(data)
        return False


def _take_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@contextlib.contextmanager
def terminal(*words: str, stderr: int | None = None) -> Iterator[Terminal]:
    opened = Terminal(*words, stderr=stderr)
    try:
        yield opened
    finally:
        opened.close()


def test_run_shows_recovery_code_once_and_a_sign_in_link(
    state: Paths, starter_model: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    for first in (True, False):
        with log.open("ab") as stderr, terminal("run", stderr=stderr.fileno()) as shown:
            link = shown.wait_for(r"Open the chat: (http://127\.0\.0\.1:\d+/#signin=\S+)").group(1)
            assert ("Your recovery code" in shown.seen) is first
            codes = re.findall(r"\b(?:[0-9A-Z]{5}-){3,}[0-9A-Z]{5}\b", shown.seen)
            assert bool(codes) is first
            shown.type("\x03")
            assert shown.end() == 0
        for secret in (*codes, link.partition("=")[2]):
            assert secret not in log.read_text()


def test_without_a_terminal_neither_code_nor_link_is_printed(daemon: Daemon) -> None:
    assert "signin" not in daemon.log
    assert "recovery" not in daemon.log.lower()


def test_ctrl_c_in_chat_stops_the_answer_and_the_chat_goes_on(daemon: Daemon) -> None:
    daemon.wait_for_model()
    with terminal("chat") as shown:
        shown.wait_for(r"> ")
        shown.type("Write a long story about a lighthouse keeper, her dog and the sea.\n")
        shown.wait_for(r"story.*sea\.[^>]*[a-z]{3,} [a-z]{2,}")
        shown.type("\x03")
        shown.wait_for(r"\(stopped\)\s+> ")
        shown.type("\x03")
        shown.wait_for(r"\(stopped\)\s+> \s+> ")
        shown.type("Say hello.\n")
        shown.wait_for(r"\(stopped\)(?s:.)*hello\.[^>]*[a-z]{3,} [a-z]{2,}")
        shown.type("\x03")  # how long a small model greets is not what is tried here
        shown.wait_for(r"hello\.(?s:.)*\(stopped\)\s+> ")
        shown.type("\x04")
        assert shown.end() == 0
    assert daemon.order(type="sessions")["items"][0]["turns"] == 2


@pytest.mark.parametrize("with_daemon", [True, False])
def test_ctrl_c_in_ask_stops_the_answer_and_keeps_what_was_said(
    request: pytest.FixtureRequest, state: Paths, starter_model: Path, with_daemon: bool
) -> None:
    daemon = request.getfixturevalue("daemon") if with_daemon else None
    with terminal(
        "ask", "Write a long story about a lighthouse keeper and the sea.", "--session", "s1"
    ) as shown:
        shown.wait_for(r"thinking …(?s:.)*[a-z]{3,} [a-z]{2,} [a-z]{2,}")
        shown.process.send_signal(signal.SIGINT)
        assert shown.end() == 130
        assert "Traceback" not in shown.seen
    with terminal("chat") as shown:
        shown.type("/sessions\n")
        shown.wait_for(r"  1  20\d\d")
    if daemon:
        daemon.stop()
        assert "interrupted" in daemon.log


def test_an_answer_can_not_command_the_terminal() -> None:
    assert printable("a\x1b[2Jb\x07\r\nc\td\x9bm") == "a[2Jb\nc\tdm"


@pytest.mark.parametrize(
    ("rung", "model", "reason", "line"),
    [
        ("cloud", "cloud", "you asked for the cloud", "(from the cloud: you asked for the cloud)"),
        ("cloud", "cloud + small", "it failed", "(from the cloud, cloud + small: it failed)"),
        ("local", "small", "this is private, so it stayed on this device",
         "(from this device, small: this is private, so it stayed on this device)"),
        ("local", "", "the cloud can't be reached", "(from this device: the cloud can't be reached)"),
        ("local", "small", "the model on this device answers", ""),
    ],
)  # fmt: skip
def test_where_an_answer_came_from_is_said_when_anybody_would_ask(rung, model, reason, line) -> None:
    assert came_from({"rung": rung, "model": model, "reason": reason}) == line
