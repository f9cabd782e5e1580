"""Stages of self-care: up at once, down after a calm while, whatever the readings do."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_assistant.ops.strain import CALM_SECONDS, SelfCare, Stage, Strain, read_strain


def hot(degrees: float) -> Strain:
    return Strain(temperature_celsius=degrees, limit_celsius=80)


@pytest.mark.parametrize(
    ("strain", "stage"),
    [
        (Strain(), Stage.CALM),
        (hot(60), Stage.CALM),
        (hot(72), Stage.CAREFUL),
        (hot(77.5), Stage.REDUCED),
        (hot(80), Stage.SILENT),
        (Strain(stalled_percent=5, used_percent=80), Stage.CALM),
        (Strain(stalled_percent=25, used_percent=80), Stage.CAREFUL),
        (Strain(stalled_percent=5, used_percent=95.5), Stage.REDUCED),
        (Strain(stalled_percent=70), Stage.SILENT),
        (Strain(temperature_celsius=78, stalled_percent=1, used_percent=92), Stage.REDUCED),
    ],
)
def test_a_reading_asks_for_a_stage(strain: Strain, stage: Stage) -> None:
    assert SelfCare().step(strain, 0) == stage


def test_a_stage_ends_only_after_a_calm_while_and_one_after_the_other() -> None:
    care = SelfCare()
    assert care.step(hot(81), 0) == Stage.SILENT
    assert care.step(hot(70), 10) == Stage.SILENT
    assert care.step(hot(70), 10 + CALM_SECONDS) == Stage.REDUCED
    assert care.step(hot(70), 11 + CALM_SECONDS) == Stage.REDUCED
    assert care.step(hot(70), 10 + 2 * CALM_SECONDS) == Stage.CAREFUL
    assert care.step(hot(70), 10 + 9 * CALM_SECONDS) == Stage.CAREFUL  # 70 is within the margin of 72
    assert care.step(hot(60), 10 + 9 * CALM_SECONDS) == Stage.CAREFUL
    assert care.step(hot(60), 10 + 10 * CALM_SECONDS) == Stage.CALM


def test_a_reading_that_swings_around_a_threshold_changes_nothing() -> None:
    care = SelfCare()
    stages = [care.step(hot(76 + 2 * (number % 2)), number * 5.0) for number in range(200)]
    assert stages == [Stage.CAREFUL] + [Stage.REDUCED] * 199


def test_one_hot_reading_starts_the_calm_while_anew() -> None:
    care = SelfCare()
    care.step(hot(72), 0)
    care.step(hot(60), 10)
    care.step(hot(72), CALM_SECONDS)
    care.step(hot(60), CALM_SECONDS + 5)
    assert care.step(hot(60), 2 * CALM_SECONDS) == Stage.CAREFUL
    assert care.step(hot(60), 2 * CALM_SECONDS + 5) == Stage.CALM


@given(st.lists(st.tuples(st.floats(0.1, 400), st.floats(-40, 150)), max_size=80))
def test_whatever_the_sensor_says_stages_fall_one_by_one_and_never_sooner_than_they_may(readings) -> None:
    care, now, before, fell = SelfCare(), 0.0, Stage.CALM, float("-inf")
    for pause, degrees in readings:
        now += pause
        stage = care.step(hot(degrees), now)
        if stage < before:
            assert before - stage == 1
            assert degrees < 80
            assert now - fell >= CALM_SECONDS
            fell = now
        elif stage > before:
            fell = float("-inf")
        before = stage


def device(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


ZONE = "sys__class__thermal__thermal_zone"


def test_a_device_is_read_from_its_files(tmp_path: Path) -> None:
    root = device(
        tmp_path,
        **{
            f"{ZONE}0__temp": "61234\n",
            f"{ZONE}0__trip_point_0_type": "critical\n",
            f"{ZONE}0__trip_point_0_temp": "110000\n",
            f"{ZONE}1__temp": "58000\n",
            f"{ZONE}1__trip_point_0_type": "passive\n",
            f"{ZONE}1__trip_point_0_temp": "60000\n",
            f"{ZONE}1__trip_point_1_type": "critical\n",
            f"{ZONE}1__trip_point_1_temp": "90000\n",
            f"{ZONE}2__temp": "",
        },
        proc__pressure__memory="some avg10=12.50 avg60=3.00 avg300=1.00 total=9\nfull avg10=1.00 total=3\n",
        proc__meminfo="MemTotal:        2000000 kB\nMemFree: 10 kB\nMemAvailable:     500000 kB\n",
    )
    assert read_strain(root) == Strain(
        temperature_celsius=58, limit_celsius=60, stalled_percent=12.5, used_percent=75
    )
    assert read_strain(root, 70).limit_celsius == 70


def test_a_device_that_tells_nothing_is_calm(tmp_path: Path) -> None:
    assert read_strain(tmp_path) == Strain()
    root = device(
        tmp_path, **{f"{ZONE}0__temp": "hot"}, proc__pressure__memory="nonsense", proc__meminfo="MemTotal: x"
    )
    assert SelfCare().step(read_strain(root), 0) == Stage.CALM


def test_this_machine_can_be_read() -> None:
    strain = read_strain()
    assert strain.used_percent is not None
    assert 0 < strain.used_percent <= 100
