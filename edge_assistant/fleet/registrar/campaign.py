"""A change that goes through a fleet in waves, and halts by itself when it does harm.

All of it is pure: time is an argument.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from edge_assistant.fleet.registrar.book import Device
from edge_assistant.fleet.wire import Values

SHARES = (1.0, 10.0, 100.0)
"""Percent of the devices that have the change after each wave."""

PATIENCE_SECONDS = 900.0
"""How long a device may take beyond its probation: a model has to load."""

Phase = Literal["running", "done", "halted"]


class Campaign(msgspec.Struct, frozen=True, kw_only=True):
    """A change under way."""

    id: str
    group: str
    """Empty is everybody."""
    values: Values
    probation_seconds: float
    patience_seconds: float
    waves: tuple[tuple[str, ...], ...]
    """Names of devices; each device is in one wave."""
    wave: int = 0
    phase: Phase = "running"
    reason: str = ""
    """Why it halted."""
    created_at: float = 0.0
    wave_at: float = 0.0
    """When the present wave was told; 0 before."""
    before: dict[str, dict[str, str]] = {}
    """What the devices that were told had before."""
    taken_back: bool = False
    """Whether all that were told know that it has halted."""
    present: tuple[str, ...] = ()
    """Who of the present wave was there when it was told."""

    def wish_of(self, device: str) -> str:
        """Return the id of what a device is told."""
        return f"{self.id}.{device}"

    @property
    def told(self) -> tuple[str, ...]:
        """Those that were told."""
        return tuple(self.before)


class Progress(msgspec.Struct, frozen=True):
    """How a wave is."""

    applied: tuple[str, ...]
    failed: dict[str, str]
    """Devices and why."""
    waiting: tuple[str, ...]
    absent: tuple[str, ...]
    """Those that were away all the time: they get it when they come back."""


def plan(
    devices: Sequence[Device], campaign: str, shares: Sequence[float] = SHARES
) -> tuple[tuple[str, ...], ...]:
    """Return waves: those that are there first, else by chance, the same for the same campaign."""

    def place(device: Device) -> tuple[bool, str]:
        return not device.online, hashlib.sha256(f"{campaign} {device.name}".encode()).hexdigest()

    names = [device.name for device in sorted(devices, key=place)]
    ends = [min(len(names), max(1, math.ceil(len(names) * share / 100))) for share in shares]
    waves = [tuple(names[begin:end]) for begin, end in zip([0, *ends], ends, strict=False)]
    return tuple(wave for wave in waves if wave)


def progress(campaign: Campaign, devices: Mapping[str, Device], now: float) -> Progress:
    """Return how the present wave is, from what its devices reported."""
    late = now - campaign.wave_at > campaign.probation_seconds + campaign.patience_seconds
    applied, waiting, absent, failed = [], [], [], dict[str, str]()
    for name in campaign.waves[campaign.wave]:
        device = devices.get(name)
        if device is None or device.state != "enrolled":
            absent.append(name)
            continue
        outcome = device.reported.desired if device.reported else None
        ours = outcome is not None and outcome.id == campaign.wish_of(name)
        if outcome is not None and ours and outcome.phase in {"rolled_back", "refused"}:
            failed[name] = outcome.code or outcome.phase
        elif outcome is not None and ours and outcome.phase == "applied":
            applied.append(name)
        elif late and (name in campaign.present or device.online or ours):
            failed[name] = "no answer in time"
        elif late:
            absent.append(name)
        else:
            waiting.append(name)
    return Progress(tuple(applied), failed, tuple(waiting), tuple(absent))


def next_phase(campaign: Campaign, found: Progress) -> Campaign:
    """Return the campaign after a look at its present wave."""
    if found.failed:
        reasons = ", ".join(f"{name}: {why}" for name, why in sorted(found.failed.items())[:5])
        return msgspec.structs.replace(campaign, phase="halted", reason=reasons)
    if found.waiting:
        return campaign
    if campaign.wave + 1 == len(campaign.waves):
        return msgspec.structs.replace(campaign, phase="done")
    return msgspec.structs.replace(campaign, wave=campaign.wave + 1, wave_at=0.0)
