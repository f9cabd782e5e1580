"""What this device is: processor, memory, disk, temperature."""

from __future__ import annotations

import contextlib
import platform
from pathlib import Path

import msgspec

_DEVICE_TREE_MODEL = Path("/proc/device-tree/model")
_CPU_INFO = Path("/proc/cpuinfo")
_NOTABLE_FEATURES = ("avx2", "avx512f", "avx_vnni", "amx_int8", "asimd", "asimddp", "i8mm", "sve")
"""Instruction sets that llama.cpp has fast paths for; `asimd` is NEON on 64-bit ARM."""


class Hardware(msgspec.Struct, frozen=True, kw_only=True):
    """Facts of this device at one moment."""

    device: str
    """Model of the board, such as `Raspberry Pi 5 Model B Rev 1.0`; empty on a PC."""
    processor: str
    architecture: str
    features: tuple[str, ...]
    """The notable ones only."""
    cores: int
    """Cores this process may use."""
    memory_bytes: int
    memory_available_bytes: int
    disk_free_bytes: int
    temperature_celsius: float | None
    """The hottest sensor; None when there is none."""


def read_hardware(folder: Path) -> Hardware:
    """Return the facts; disk space is that of the file system that holds `folder`."""
    import psutil

    info = _cpu_info()
    memory = psutil.virtual_memory()
    flags = set(info.get("flags", info.get("Features", "")).split())
    return Hardware(
        device=_device(),
        processor=info.get("model name", info.get("Model", platform.processor())),
        architecture=platform.machine(),
        features=tuple(feature for feature in _NOTABLE_FEATURES if feature in flags),
        cores=len(psutil.Process().cpu_affinity()),
        memory_bytes=memory.total,
        memory_available_bytes=memory.available,
        disk_free_bytes=psutil.disk_usage(str(existing(folder))).free,
        temperature_celsius=_temperature(),
    )


class Vitals(msgspec.Struct, frozen=True, kw_only=True):
    """How this device is at one moment; what changes and is quick to read."""

    memory_bytes: int
    memory_available_bytes: int
    workers_rss_bytes: int
    """Resident memory of the processes that this one started, models among them."""
    temperature_celsius: float | None
    """The hottest sensor; None when there is none."""


def read_vitals() -> Vitals:
    """Return how it is now; takes some milliseconds, so keep it out of the event loop."""
    import psutil

    memory, workers = psutil.virtual_memory(), 0
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            workers += child.memory_info().rss
    return Vitals(
        memory_bytes=memory.total,
        memory_available_bytes=memory.available,
        workers_rss_bytes=workers,
        temperature_celsius=_temperature(),
    )


def existing(folder: Path) -> Path:
    """Return `folder` or the nearest folder above it that exists."""
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())


def _device() -> str:
    try:
        return _DEVICE_TREE_MODEL.read_text(encoding="utf-8", errors="replace").rstrip("\0\n")
    except OSError:
        return ""


def _cpu_info() -> dict[str, str]:
    """Return the last value of each key of /proc/cpuinfo; cores that differ are not told apart."""
    try:
        lines = _CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def _temperature() -> float | None:
    import psutil

    sensors = psutil.sensors_temperatures().values()
    return max((reading.current for readings in sensors for reading in readings), default=None)
