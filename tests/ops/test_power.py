"""What a Raspberry Pi and other boards say about power and heat, from a file tree like theirs."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_assistant.ops.power import Power, read_power


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n")


def test_a_machine_that_says_nothing_is_not_blamed(tmp_path: Path) -> None:
    assert read_power(tmp_path) == Power(under_voltage=None, slowed=None)


@pytest.mark.parametrize(
    ("bits", "now", "slowed", "before"),
    [
        ("0", False, False, False),
        ("50005", True, True, True),
        ("50000", False, False, True),
        ("8", False, True, False),
    ],
)
def test_the_firmware_of_a_pi_tells_voltage_and_throttling(
    tmp_path: Path, bits: str, now: bool, slowed: bool, before: bool
) -> None:
    write(tmp_path / "devices/platform/soc/soc:firmware/get_throttled", bits)
    assert read_power(tmp_path) == Power(under_voltage=now, slowed=slowed, under_voltage_before=before)
    assert read_power(tmp_path / "other", int(bits, 16)).under_voltage == now


def test_the_kernels_voltage_alarm_counts_too(tmp_path: Path) -> None:
    write(tmp_path / "class/hwmon/hwmon0/name", "cpu_thermal")
    write(tmp_path / "class/hwmon/hwmon1/name", "rpi_volt")
    write(tmp_path / "class/hwmon/hwmon1/in0_lcrit_alarm", "1")
    assert read_power(tmp_path).under_voltage is True


def test_a_processor_that_is_cooled_by_slowing_it_is_slowed(tmp_path: Path) -> None:
    write(tmp_path / "class/thermal/cooling_device0/type", "pwm-fan")
    write(tmp_path / "class/thermal/cooling_device0/cur_state", "3")
    assert read_power(tmp_path).slowed is None
    write(tmp_path / "class/thermal/cooling_device1/type", "cpufreq-cpu0")
    write(tmp_path / "class/thermal/cooling_device1/cur_state", "0")
    assert read_power(tmp_path).slowed is False
    write(tmp_path / "class/thermal/cooling_device1/cur_state", "2")
    assert read_power(tmp_path).slowed is True
