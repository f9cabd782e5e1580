"""A real daemon as a subprocess, and what tests do with it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from edge_assistant.config import Paths
from edge_assistant.config.address import socket_address

START_SECONDS = 60.0
STOP_SECONDS = 30.0


class Daemon:
    """`python -m edge_assistant run` with a state folder of its own."""

    def __init__(self, paths: Paths, environ: dict[str, str], command: tuple[str, ...] = ()) -> None:
        self.paths = paths
        self.environ = environ
        self.command = (*command, sys.executable, "-m", "edge_assistant", "run")
        self.process: subprocess.Popen[bytes] | None = None
        self._log = Path(tempfile.mkstemp(prefix="edge-assistant-test-", suffix=".log")[1])
        self._seen: dict[int, psutil.Process] = {}

    @property
    def log(self) -> str:
        """Everything all lives of this daemon wrote to stdout and stderr."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    @property
    def pid(self) -> int:
        """The daemon itself, also when it was started by another command such as strace."""
        return int(re.findall(r"ready: process (\d+)", self.log)[-1])

    @property
    def url(self) -> str:
        """Where the page is."""
        return re.findall(r"web chat at (\S+)", self.log)[-1]

    @property
    def control(self) -> Path:
        return self.paths.control_socket

    def start(self) -> None:
        """Start it and wait until it is ready."""
        lives = self.log.count("ready: process")
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, env=self.environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.wait_until(lambda: self.log.count("ready: process") > lives or self.ended, START_SECONDS)
        assert not self.ended, self.log

    @property
    def ended(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def stop(self) -> int:
        """Ask it to end as systemd does, and return its exit code."""
        self._note_processes()
        assert self.process is not None
        os.kill(self.pid, signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """End it as a power cut does."""
        self._note_processes()
        assert self.process is not None
        os.kill(self.pid, signal.SIGKILL)
        self.process.wait(STOP_SECONDS)

    def restart(self) -> None:
        self.stop()
        self.start()

    @property
    def workers(self) -> list[psutil.Process]:
        """The processes it started."""
        return psutil.Process(self.pid).children(recursive=True)

    def left_processes(self) -> list[psutil.Process]:
        """Workers of this daemon that outlived it."""
        return [each for each in self._seen.values() if each.is_running() and each.status() != "zombie"]

    def clean_up(self) -> None:
        """End everything of it, whatever the test did."""
        if self.process is not None and not self.ended:
            self._note_processes()
            with contextlib.suppress(subprocess.TimeoutExpired, IndexError):
                self.stop()
            self.process.kill()
            self.process.wait(STOP_SECONDS)
        for each in self.left_processes():
            each.send_signal(signal.SIGKILL)
        self._log.unlink(missing_ok=True)

    def _note_processes(self) -> None:
        with contextlib.suppress(psutil.NoSuchProcess, IndexError):
            self._seen.update({each.pid: each for each in self.workers})

    def link(self) -> str:
        """Return a one-time sign-in link."""
        return str(self.order(type="link")["url"])

    def order(self, **message: Any) -> dict[str, Any]:
        """Send one message on the control socket and return its answer."""
        with self.connect() as client:
            client.send(**message)
            return client.receive()

    def ask(self, text: str, session: str = "", turn_id: str = "") -> dict[str, Any]:
        """Ask and return the last event."""
        with self.connect() as client:
            turn_id = client.ask(text, session, turn_id)
            return client.until("turn.finished", "turn.failed")[-1]

    def wait_for_model(self) -> None:
        self.wait_until(lambda: self.order(type="status")["model"]["phase"] == "ready", START_SECONDS)

    @contextlib.contextmanager
    def connect(self) -> Iterator[Client]:
        """Connect to the control socket."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
            channel.settimeout(START_SECONDS)
            with socket_address(self.control) as address:
                channel.connect(address)
            yield Client(channel)

    @staticmethod
    def wait_until(holds: Any, seconds: float = START_SECONDS) -> None:
        """Wait until something holds, and fail when it never does."""
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, "it never came to hold"
            time.sleep(0.05)

    def cli(self, *words: str, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a command as a person would on this device."""
        return run_cli(*words, stdin=stdin, environ={**self.environ, **environ})

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """Begin a command whose output a test reads while or after it runs."""
        return subprocess.Popen(
            (sys.executable, "-m", "edge_assistant", *words),
            env=self.environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip


class Client:
    """JSON lines on the control socket."""

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel
        self._lines = channel.makefile("rb")

    def send(self, **message: Any) -> None:
        self.send_line(json.dumps(message).encode())

    def send_line(self, line: bytes) -> None:
        self.channel.sendall(line + b"\n")

    def receive(self) -> dict[str, Any]:
        line = self._lines.readline()
        assert line, "the daemon hung up"
        message: dict[str, Any] = json.loads(line)
        return message

    def closed(self) -> bool:
        """Read to the end of the connection."""
        with contextlib.suppress(ConnectionResetError):
            while self._lines.readline():
                pass
        return True

    def ask(self, text: str, session: str = "", turn_id: str = "") -> str:
        """Send a message and return the turn's id."""
        turn_id = turn_id or uuid.uuid4().hex
        self.send(type="message", id=turn_id, session=session or uuid.uuid4().hex, text=text)
        return turn_id

    def until(self, *types: str) -> list[dict[str, Any]]:
        """Return the messages up to the first of one of `types`."""
        messages = [self.receive()]
        while messages[-1]["type"] not in types:
            messages.append(self.receive())
        return messages


def run_cli(*words: str, stdin: str = "", environ: dict[str, str] | None = None, timeout: float = 120) -> Any:
    """Run `edge-assistant` and return how it went, with stdout and stderr as text."""
    return subprocess.run(
        (sys.executable, "-m", "edge_assistant", *words),
        input=stdin,
        env=environ or dict(os.environ),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
