"""Devices to be examined: file trees like those of /sys, /proc and /boot, and boards that don't lie here."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edge_assistant.config import Config, Paths, WebSettings
from edge_assistant.ops.finding import Finding, Outcome, Patient, Roots
from edge_assistant.ops.hardware import Hardware

GOOD = Hardware(
    device="Raspberry Pi 5 Model B Rev 1.0",
    processor="Cortex-A76",
    architecture="aarch64",
    features=("asimd", "asimddp"),
    cores=4,
    memory_bytes=8 << 30,
    memory_available_bytes=6 << 30,
    disk_free_bytes=20 << 30,
    temperature_celsius=51.0,
)


def patient(paths: Paths, config: Config | None = None, **hardware: object) -> Patient:
    """Return a healthy Pi with a few facts changed."""
    facts = msgspec.structs.replace(GOOD, **hardware)
    return Patient(config or Config(web=WebSettings(port=0)), paths, facts)


class Board:
    """A device whose files a test writes."""

    def __init__(self, folder: Path, device: str = GOOD.device) -> None:
        self._folder = folder
        self._device = device
        self.roots = Roots(sys=folder / "sys", proc=folder / "proc", boot=folder / "boot")

    def write(self, path: str, text: str) -> None:
        """Write a file such as `sys/class/watchdog/watchdog0/state`."""
        target = self._folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def patient(self, config: Config | None = None) -> Patient:
        """Return it as the doctor sees it."""
        paths = Paths(state=self._folder / "state", models=self._folder / "models")
        return msgspec.structs.replace(patient(paths, config, device=self._device), roots=self.roots)


def needs_fix(finding: Finding, outcome: Outcome = "failed", fix: str = "") -> None:
    """Assert that something is wrong and that it is said what to do."""
    assert finding.outcome == outcome, finding
    assert finding.fix
    assert fix in finding.fix
