"""One line that says what was measured on."""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path

from edge_assistant.ops.hardware import read_hardware


def describe_machine() -> str:
    """Return processor, cores, memory, system and the version of the engine."""
    hardware = read_hardware(Path("/"))
    parts = (
        hardware.device,
        f"{hardware.processor} with {hardware.cores} cores ({', '.join(hardware.features)})",
        f"{hardware.memory_bytes / 2**30:.0f} GB",
        f"{platform.system()} {platform.release()} {hardware.architecture}",
        f"Python {platform.python_version()}",
        f"llama-cpp-python {metadata.version('llama-cpp-python')}",
    )
    return ", ".join(part for part in parts if part)
