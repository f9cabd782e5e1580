"""Waves: how they are planned, when they go on, and when they halt."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_assistant.fleet.registrar.book import Device
from edge_assistant.fleet.registrar.campaign import Campaign, next_phase, plan, progress
from edge_assistant.fleet.wire import Outcome, Reported


def device(name, *, online=True, wish="", phase="none", code=""):
    outcome = Outcome(version=1, id=wish, phase=phase, code=code)
    return Device(
        name=name, serial=name, key=name, public_key="", state="enrolled", online=online,
        reported=Reported(version="1", serial=name, health="ok", desired=outcome),
    )  # fmt: skip


def campaign(*waves, **more):
    names = tuple(name for wave in waves for name in wave)
    return Campaign(
        id="c", group="", values={"assistant.persona": "concise"}, probation_seconds=60, patience_seconds=600,
        waves=waves, wave_at=1000.0, present=names, **more,
    )  # fmt: skip


@given(st.integers(1, 400), st.integers(0, 400))
def test_waves_are_one_then_ten_then_all_percent_and_each_device_is_in_one(count, away):
    devices = [device(f"d{number}", online=number >= away) for number in range(count)]
    waves = plan(devices, "c")
    names = [name for wave in waves for name in wave]
    assert sorted(names) == sorted(each.name for each in devices)
    assert len(waves[0]) == max(1, -(-count // 100))
    if len(waves) == 3:
        assert len(waves[0]) + len(waves[1]) == -(-count // 10)
    there = [each.name for each in devices if each.online]
    assert not there or waves[0][0] in there, "who is away can't tell whether it does harm"
    assert plan(devices, "c") == waves


@pytest.mark.parametrize(
    ("states", "later", "phase", "wave"),
    [
        ([{"wish": "c.a", "phase": "applied"}], 10, "running", 1),
        ([{"wish": "c.a", "phase": "probation"}], 10, "running", 0),
        ([{"wish": "other", "phase": "applied"}], 10, "running", 0),
        ([{"wish": "c.a", "phase": "rolled_back", "code": "MODEL_FAILED"}], 10, "halted", 0),
        ([{"wish": "c.a", "phase": "refused", "code": "FLEET_KEY_FORBIDDEN"}], 10, "halted", 0),
        ([{"wish": "other", "phase": "applied"}], 10_000, "halted", 0),
        ([{"wish": "c.a", "phase": "probation", "online": False}], 10_000, "halted", 0),
    ],
)
def test_a_wave_goes_on_when_all_are_well_waits_for_the_slow_and_halts_when_one_is_not(
    states, later, phase, wave
):
    running = campaign(("a",), ("b",))
    devices = {"a": device("a", **states[0]), "b": device("b")}
    after = next_phase(running, progress(running, devices, 1000.0 + later))
    assert (after.phase, after.wave) == (phase, wave)


def test_who_was_away_all_the_time_holds_nobody_up_for_ever():
    running = msgspec.structs.replace(campaign(("a", "b")), present=("a",))
    devices = {"a": device("a", wish="c.a", phase="applied"), "b": device("b", online=False)}
    assert next_phase(running, progress(running, devices, 1010.0)).phase == "running"
    found = progress(running, devices, 9000.0)
    assert found.absent == ("b",)
    assert next_phase(running, found).phase == "done"
