"""What the doctor examines and what it finds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from edge_assistant.config import Config, Paths
from edge_assistant.ops.hardware import Hardware

Outcome = Literal["ok", "warning", "failed"]


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one check found."""

    name: str
    outcome: Outcome
    detail: str
    fix: str = ""
    """What to do; empty when all is well."""


class VoiceHealth(msgspec.Struct, frozen=True):
    """What the running daemon says of ears and mouth."""

    phase: str
    problems: tuple[str, ...]
    near_misses: int
    muted: bool


class Roots(msgspec.Struct, frozen=True):
    """Where the system tells about itself."""

    sys: Path = Path("/sys")
    proc: Path = Path("/proc")
    boot: Path = Path("/boot")


class Patient(msgspec.Struct, frozen=True):
    """What is examined."""

    config: Config
    paths: Paths
    hardware: Hardware
    daemon_url: str | None = None
    """Where the running daemon serves the page (may be empty); None when no daemon runs."""
    house_problem: str = ""
    """Why the house can't reach the running daemon; empty when it can, or shouldn't."""
    voice: VoiceHealth | None = None
    """How its voice is; None when no daemon runs, or it has none."""
    house_url: str = ""
    """Where the house reaches the running daemon."""
    roots: Roots = Roots()

    @property
    def is_pi(self) -> bool:
        """Whether it is a Raspberry Pi."""
        return self.hardware.device.startswith("Raspberry Pi")

    @property
    def boot_folder(self) -> Path:
        """Where a Raspberry Pi's cmdline.txt and config.txt lie; before 2023 it was /boot itself."""
        newer = self.roots.boot / "firmware"
        return newer if newer.is_dir() or not (self.roots.boot / "config.txt").exists() else self.roots.boot


Check = Callable[[Patient], Finding]


def ok(name: str, detail: str) -> Finding:
    """Return that all is well."""
    return Finding(name=name, outcome="ok", detail=detail)


def warning(name: str, detail: str, fix: str) -> Finding:
    """Return what works, but not as well as it could."""
    return Finding(name=name, outcome="warning", detail=detail, fix=fix)


def failed(name: str, detail: str, fix: str) -> Finding:
    """Return what keeps the assistant from working."""
    return Finding(name=name, outcome="failed", detail=detail, fix=fix)
