"""The doctor looks at the board and its system; each finding says how to mend it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from edge_assistant.config import Config, VoiceSettings
from edge_assistant.ops import device_checks
from edge_assistant.ops.device_checks import (
    check_memory_control,
    check_power,
    check_sound,
    check_time_sync,
    check_watchdog,
    clock_is_synchronised,
)
from edge_assistant.ops.finding import VoiceHealth
from tests.ops.patients import Board, needs_fix

HEADER = "#subsys_name\thierarchy\tnum_cgroups\tenabled\n"


@pytest.fixture
def pi(tmp_path: Path) -> Board:
    return Board(tmp_path)


@pytest.fixture
def pc(tmp_path: Path) -> Board:
    return Board(tmp_path, device="")


def test_a_pi_without_the_memory_controller_is_told_which_line_to_change(pi: Board) -> None:
    pi.write("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io pids")
    pi.write("proc/cgroups", f"{HEADER}memory\t0\t80\t0\n")
    pi.write("boot/firmware/cmdline.txt", "console=tty1 root=PARTUUID=1 rootwait")
    needs_fix(check_memory_control(pi.patient()), "warning", "boot/firmware/cmdline.txt")
    pi.write("boot/firmware/cmdline.txt", "console=tty1 root=PARTUUID=1 rootwait cgroup_enable=memory")
    needs_fix(check_memory_control(pi.patient()), "warning", "restart the device")


def test_an_older_pi_has_its_settings_in_boot_itself(pi: Board) -> None:
    pi.write("boot/config.txt", "")
    needs_fix(check_memory_control(pi.patient()), "warning", "boot/cmdline.txt")
    needs_fix(check_watchdog(pi.patient()), "warning", "boot/config.txt")


@pytest.mark.parametrize(
    ("controllers", "cgroups", "outcome"),
    [
        ("cpuset cpu io memory pids", "", "ok"),
        ("", f"{HEADER}cpu\t2\t80\t1\nmemory\t7\t80\t1\n", "ok"),
        ("", f"{HEADER}memory\t7\t80\t0\n", "warning"),
        ("cpu", f"{HEADER}memory\t0\t80\t1\n", "warning"),
        ("", "rubbish\n\nmemory\n", "warning"),
        ("", "", "warning"),
    ],
)
def test_both_versions_of_cgroups_are_understood(
    pc: Board, controllers: str, cgroups: str, outcome: str
) -> None:
    pc.write("sys/fs/cgroup/cgroup.controllers", controllers)
    pc.write("proc/cgroups", cgroups)
    assert check_memory_control(pc.patient()).outcome == outcome


def test_a_pi_without_a_watchdog_switches_it_on_and_a_pc_without_one_is_well(pi: Board, pc: Board) -> None:
    needs_fix(check_watchdog(pi.patient()), "warning", "dtparam=watchdog=on")
    assert check_watchdog(pc.patient()).outcome == "ok"


def test_a_watchdog_that_nobody_feeds_is_said_with_what_to_write(pi: Board) -> None:
    pi.write("sys/class/watchdog/watchdog0/state", "inactive\n")
    needs_fix(check_watchdog(pi.patient()), "warning", "RuntimeWatchdogSec=14s")
    pi.write("sys/class/watchdog/watchdog1/state", "active\n")
    pi.write("sys/class/watchdog/watchdog1/identity", "Broadcom BCM2835 Watchdog timer\n")
    found = check_watchdog(pi.patient())
    assert (found.outcome, found.detail) == ("ok", "Broadcom BCM2835 Watchdog timer watches")


def test_a_kernel_that_does_not_tell_whether_its_watchdog_watches_is_not_blamed(pi: Board) -> None:
    pi.write("sys/class/watchdog/watchdog0/identity", "x")
    assert check_watchdog(pi.patient()).outcome == "ok"


@pytest.mark.parametrize(("told", "outcome"), [(True, "ok"), (None, "ok"), (False, "warning")])
def test_a_clock_that_follows_no_time_server_is_a_warning(
    pi: Board, monkeypatch: pytest.MonkeyPatch, told: bool | None, outcome: str
) -> None:
    monkeypatch.setattr(device_checks, "clock_is_synchronised", lambda: told)
    found = check_time_sync(pi.patient())
    assert (found.outcome, bool(found.fix)) == (outcome, outcome == "warning")


def test_the_kernel_can_be_asked_about_its_clock() -> None:
    assert clock_is_synchronised() in {True, False, None}


@pytest.mark.parametrize(
    ("bits", "outcome", "words"),
    [
        ("0", "ok", "voltage is good"),
        ("1", "warning", "too low now"),
        ("50000", "warning", "since the device was switched on"),
        ("4", "warning", "slowed"),
    ],
)
def test_a_pi_that_had_too_little_voltage_is_told_to_take_a_better_supply(
    pi: Board, monkeypatch: pytest.MonkeyPatch, bits: str, outcome: str, words: str
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    pi.write("sys/devices/platform/soc/soc:firmware/get_throttled", bits)
    found = check_power(pi.patient())
    assert (found.outcome, bool(found.fix)) == (outcome, outcome != "ok")
    assert words in found.detail


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        ("echo throttled=0x50005", "warning"),
        ("echo throttled=0x0", "ok"),
        ("echo what", "ok"),
        ("exit 1", "ok"),
    ],
)
def test_the_firmwares_own_program_is_asked_where_it_is(
    pi: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, outcome: str
) -> None:
    pi.write("bin/vcgencmd", f"#!/bin/sh\n{script}\n")
    (tmp_path / "bin/vcgencmd").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert check_power(pi.patient()).outcome == outcome


def test_a_machine_that_says_nothing_of_its_power_is_well(pc: Board) -> None:
    assert check_power(pc.patient()).outcome == "ok"


def test_a_device_that_shall_listen_and_has_no_microphone_is_told(pc: Board) -> None:
    wanted = Config(voice=VoiceSettings(enabled=True))
    both = check_sound(pc.patient(wanted))
    needs_fix(both, "warning", "arecord -l")
    assert "no microphone and no speaker" in both.detail
    pc.write("proc/asound/pcm", "00-00: bcm2835 Headphones : bcm2835 Headphones : playback 8\n")
    assert "no microphone" in check_sound(pc.patient(wanted)).detail
    deaf = Config(voice=VoiceSettings(enabled=True, input="off"))
    assert check_sound(pc.patient(deaf)).outcome == "ok"
    pc.write("proc/asound/pcm", "01-00: USB Audio : USB Audio : playback 1 : capture 1\n")
    assert check_sound(pc.patient(wanted)).outcome == "ok"


def test_what_a_running_voice_says_of_its_devices_counts_more(pc: Board) -> None:
    heard = VoiceHealth(phase="idle", problems=(), near_misses=0, muted=False)
    runs = msgspec.structs.replace(pc.patient(Config(voice=VoiceSettings(enabled=True))), voice=heard)
    assert check_sound(runs).outcome == "ok"
    assert check_sound(pc.patient(Config())).outcome == "ok"
