"""A real Mosquitto of a measurement's or test's own, on a free port, with its files in their folder."""

from __future__ import annotations

import contextlib
import getpass
import random
import shutil
import socket
import subprocess
import time
from pathlib import Path

from edge_assistant.bench.child import tied
from edge_assistant.bench.measurement import CannotMeasureError
from edge_assistant.mqtt.broker import Broker

START_SECONDS = 60.0


class Mosquitto:
    """Starts, kills and restarts one broker; it keeps its port over restarts."""

    def __init__(self, folder: Path, *lines: str) -> None:
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        own = (f"listener {self.port} 127.0.0.1", f"user {getpass.getuser()}")
        self._config.write_text("\n".join((*own, *(lines or ("allow_anonymous true",)))))
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def provisioned(cls, config: Path, port: int) -> Mosquitto:
        """Return one of a configuration that is there already and listens on `port`."""
        made = cls.__new__(cls)
        made.port = port
        made._config, made._process = config, None  # noqa: SLF001 - its own
        return made

    @property
    def broker(self) -> Broker:
        """Where it is."""
        return Broker(host="127.0.0.1", port=self.port)

    @property
    def url(self) -> str:
        """The same, as the configuration names it."""
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> Mosquitto:
        """Start it and return when it listens; raises `CannotMeasureError` when it isn't installed."""
        program = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin")
        if program is None:
            raise CannotMeasureError("mosquitto is not installed: apt-get install mosquitto, or make test")
        command = tied(program, "-c", str(self._config))
        deadline = time.monotonic() + START_SECONDS
        self._process = self._begin(command)
        while not self._listens():
            assert time.monotonic() < deadline, f"mosquitto doesn't listen: {self._said()}"
            if self._process.poll() is not None:  # somebody's connection may have held the port for a moment
                time.sleep(0.2)
                self._process = self._begin(command)
            time.sleep(0.02)
        return self

    def kill(self) -> None:
        """End it as a power cut does."""
        process, self._process = self._process, None
        if process is not None:  # the next one may be started before this one is waited for
            process.kill()
            process.wait()

    def _begin(self, command: tuple[str, ...]) -> subprocess.Popen[bytes]:
        with self._log.open("wb") as log:
            return subprocess.Popen(command, stderr=log)

    def _said(self) -> str:
        return self._log.read_text(errors="replace")[-2000:]

    @property
    def _log(self) -> Path:
        return self._config.parent / "mosquitto.log"

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def free_port() -> int:
    """Return a port that nobody listens on, below those that the kernel gives to outgoing connections."""
    while True:
        port = random.randrange(10_000, 32_000)  # noqa: S311 - no secret
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
