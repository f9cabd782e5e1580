"""Whether power supply and cooling suffice: what the kernel and a Raspberry Pi's firmware say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

SYSFS = Path("/sys")

_UNDER_VOLTAGE = 0b0001
_SLOWED = 0b1110
"""Bits of `get_throttled`: frequency capped, throttled, soft temperature limit (Raspberry Pi documentation,
vcgencmd). The same ones shifted by 16 say that it happened since boot."""

_COOLING = ("Processor", "cpufreq", "thermal-cpufreq", "cpu-")
"""Beginnings of the types of cooling devices that slow a processor down."""


class Power(msgspec.Struct, frozen=True, kw_only=True):
    """How it is at one moment; None where nothing says it."""

    under_voltage: bool | None
    slowed: bool | None
    """Whether the processor runs slower than it could, because of heat or power."""
    under_voltage_before: bool | None = None
    """Whether the voltage was too low at any time since boot."""


def read_power(sysfs: Path = SYSFS, bits: int | None = None) -> Power:
    """Return how it is now; `bits` is what `get_throttled` says, when somebody knows it."""
    if bits is None:
        bits = _number(sysfs / "devices/platform/soc/soc:firmware/get_throttled", 16)
    alarm = next(_voltage_alarms(sysfs), None)
    cooling = _cooling(sysfs)
    if bits is None:
        return Power(under_voltage=alarm, slowed=cooling)
    return Power(
        under_voltage=bool(alarm or bits & _UNDER_VOLTAGE),
        slowed=bool(cooling or bits & _SLOWED),
        under_voltage_before=bool(bits >> 16 & _UNDER_VOLTAGE),
    )


def _voltage_alarms(sysfs: Path) -> Iterator[bool]:
    for folder in (sysfs / "class/hwmon").glob("hwmon*"):
        if _text(folder / "name") == "rpi_volt":
            yield bool(_number(folder / "in0_lcrit_alarm"))


def _cooling(sysfs: Path) -> bool | None:
    found = None
    for folder in (sysfs / "class/thermal").glob("cooling_device*"):
        if _text(folder / "type").startswith(_COOLING):
            found = bool(found or _number(folder / "cur_state"))
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _number(path: Path, base: int = 10) -> int | None:
    try:
        return int(_text(path), base)
    except ValueError:
        return None
