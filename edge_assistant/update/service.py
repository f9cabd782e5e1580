"""The service under systemd, as an update sees it: stopped, started, and asked how it is."""

from __future__ import annotations

import subprocess
import urllib.request
from typing import Protocol

import msgspec

from edge_assistant.update.release import UpdateError

SERVICE, SOCKET = "edge-assistant.service", "edge-assistant.socket"
_ASK_SECONDS = 20.0
_STOP_SECONDS = 120.0


class Health(msgspec.Struct, frozen=True):
    """How it is."""

    running: bool
    """Whether it runs and said that it is ready."""
    word: str = ""
    """What it says of itself, as `/healthz`: `ok`, `starting`, `degraded`; empty when nobody can be asked."""


class Service(Protocol):
    """What is updated."""

    def stop(self) -> None:
        """End it, and let nobody start it meanwhile."""
        ...

    def start(self) -> None:
        """Start what `current` names; that it doesn't start is seen by its health."""
        ...

    def health(self) -> Health:
        """Ask how it is."""
        ...


class SystemdService:
    """The installed service."""

    def __init__(self, port: int) -> None:
        """`port` is that of the page, 0 when there is none: then it is well when it runs."""
        self._port = port

    def stop(self) -> None:
        """Stop the service, and the socket that would start it again."""
        _systemctl("stop", SOCKET, SERVICE)

    def start(self) -> None:
        """Start both, the socket unless its owner switched it off; it doesn't wait for the service."""
        _systemctl("reset-failed", SERVICE)
        if _systemctl("is-enabled", SOCKET) == "enabled":
            _systemctl("start", SOCKET)
        _systemctl("start", "--no-block", SERVICE)

    def health(self) -> Health:
        """Ask systemd and the page."""
        if _systemctl("is-active", SERVICE) != "active":
            return Health(running=False)
        return Health(running=True, word=self._word() if self._port else "")

    def _word(self) -> str:
        address = f"http://127.0.0.1:{self._port}/healthz"
        try:
            with urllib.request.urlopen(address, timeout=_ASK_SECONDS) as answer:
                return str(msgspec.json.decode(answer.read(10_000), type=dict[str, str]).get("status", ""))
        except (OSError, msgspec.DecodeError):
            return "silent"


def _systemctl(*words: str) -> str:
    try:
        done = subprocess.run(
            ("systemctl", *words), capture_output=True, text=True, timeout=_STOP_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UpdateError(
            "UPDATE_SERVICE_FAILED", f"systemctl {words[0]} came to nothing: {error}"
        ) from error
    return done.stdout.strip()
