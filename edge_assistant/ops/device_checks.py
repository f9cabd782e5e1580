"""Checks of the board and its system: memory controller, watchdog, time, power, sound."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

from edge_assistant.ops.finding import Check, Finding, Patient, ok, warning
from edge_assistant.ops.power import read_power

_TIMEX_BYTES = 512
"""More than struct timex has anywhere."""

_TIME_ERROR = 5
"""What adjtimex(2) returns while the clock is not synchronised."""

VCGENCMD_SECONDS = 3.0


def check_memory_control(patient: Patient) -> Finding:
    """Check that the kernel can limit memory; a Raspberry Pi's does not unless it is told to."""
    name, wanted = "memory control", "cgroup_enable=memory"
    if _limits_memory(patient.roots.sys, patient.roots.proc):
        return ok(name, "the kernel can limit the memory of services")
    detail = "the kernel's memory controller is off: MemoryMax= of services has no effect"
    where = patient.boot_folder / "cmdline.txt" if patient.is_pi else "the kernel's command line"
    if patient.is_pi and wanted in _text(patient.boot_folder / "cmdline.txt").split():
        return warning(name, detail, f"restart the device: `{wanted}` stands in {where} already")
    return warning(name, detail, f"add `{wanted}` to the one line of {where} and restart the device")


def _limits_memory(sys: Path, proc: Path) -> bool:
    unified = _text(sys / "fs/cgroup/cgroup.controllers").split()
    if "memory" in unified:
        return True
    rows = [line.split() for line in _text(proc / "cgroups").splitlines()]
    # A hierarchy of 0 belongs to the unified one, which then lists what it really has.
    return any(row[0] == "memory" and row[1] != "0" and row[-1] == "1" for row in rows if len(row) > 1)


def check_watchdog(patient: Patient) -> Finding:
    """Check that hardware restarts a device that hangs."""
    found = sorted((patient.roots.sys / "class/watchdog").glob("watchdog*"))
    if not found:
        if patient.is_pi:
            where = patient.boot_folder / "config.txt"
            fix = f"add `dtparam=watchdog=on` to {where} and restart the device"
            return warning("watchdog", "the hardware watchdog is off", fix)
        return ok("watchdog", "this device has none")
    states = [_text(folder / "state") for folder in found]
    if "active" in states:
        return ok("watchdog", f"{_text(found[states.index('active')] / 'identity') or 'hardware'} watches")
    if not any(states):
        return ok("watchdog", "there is one; the kernel does not tell whether it watches")
    fix = (
        "write `[Manager]` and `RuntimeWatchdogSec=14s` into /etc/systemd/system.conf.d/watchdog.conf and "
        "run `sudo systemctl daemon-reexec` (a Raspberry Pi's counts to 15 s at most)"
    )
    return warning("watchdog", "there is a hardware watchdog, but nobody feeds it", fix)


def check_time_sync(patient: Patient) -> Finding:
    """Check that the clock follows a time server."""
    del patient
    synchronised = clock_is_synchronised()
    if synchronised is None:
        return ok("time sync", "this system does not tell")
    if not synchronised:
        fix = "sudo timedatectl set-ntp true; timers and alarms go by this clock"
        return warning("time sync", "the clock follows no time server", fix)
    return ok("time sync", "the clock follows a time server")


def clock_is_synchronised() -> bool | None:
    """Return what the kernel says (adjtimex(2)); None where it can't be asked."""
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else bool(state != _TIME_ERROR)


def check_power(patient: Patient) -> Finding:
    """Check that voltage and cooling suffice."""
    power = read_power(patient.roots.sys, _firmware_bits() if patient.is_pi else None)
    if power.under_voltage:
        fix = "use the maker's power supply and a short cable, and plug USB devices into a hub of their own"
        return warning("power", "the voltage is too low now: cards break and things crash", fix)
    if power.under_voltage_before:
        fix = "use the maker's power supply and a short cable"
        return warning("power", "the voltage has been too low since the device was switched on", fix)
    if power.slowed:
        return warning("power", "the processor is slowed by heat or power", "give it a fan or a heat sink")
    return ok("power", "this system does not tell" if power.under_voltage is None else "the voltage is good")


def _firmware_bits() -> int | None:
    """Return what a Raspberry Pi's firmware says: `throttled=0x50005`."""
    program = shutil.which("vcgencmd")
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, "get_throttled"], capture_output=True, text=True, timeout=VCGENCMD_SECONDS, check=True
        )
        return int(done.stdout.strip().partition("=")[2], 16)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def check_sound(patient: Patient) -> Finding:
    """Check that there are a microphone and a speaker, when it shall listen and speak."""
    voice = patient.config.voice
    if not voice.enabled:
        return ok("sound", "not needed (voice.enabled)")
    if patient.voice is not None:
        return ok("sound", "the running assistant tells, see voice")
    listed = _text(patient.roots.proc / "asound/pcm")
    wanted = (("capture", "microphone", voice.input), ("playback", "speaker", voice.output))
    missing = [what for kind, what, device in wanted if device != "off" and kind not in listed]
    if missing:
        fix = "plug one in and look at `arecord -l` and `aplay -l`; a sound server may still offer others"
        return warning("sound", f"the kernel knows no {' and no '.join(missing)}", fix)
    return ok("sound", f"{len(listed.splitlines())} sound devices")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


DEVICE_CHECKS: tuple[Check, ...] = (
    check_memory_control, check_watchdog, check_time_sync, check_power, check_sound,
)  # fmt: skip
