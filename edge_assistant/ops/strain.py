"""How strained a device is by heat and by lack of memory, and in which stage it should spare itself.

Decisions are pure: readings and time are arguments. Reading is a few small files of /sys and /proc.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path

import msgspec

DEFAULT_LIMIT_CELSIUS = 80.0
"""Where the firmware of a Raspberry Pi begins to slow down; taken where the device names no limit."""

_CRITICAL_DISTANCE = 15.0
"""A device that names only where it switches itself off is hot so far below that."""

HEAT = (-8.0, -3.0, 0.0)
"""Degrees above the limit from which on the stages begin."""

STALLED = (20.0, 40.0, 60.0)
"""Percent of the last ten seconds in which something waited for memory (PSI, `some avg10`)."""

USED = (92.0, 95.0, 97.0)
"""Percent of memory that is not available: what is left where the kernel keeps no PSI, as on a Pi."""

HEAT_MARGIN, STALL_MARGIN, USED_MARGIN = 5.0, 10.0, 4.0
"""How far below its threshold a reading must be before a stage ends,"""

CALM_SECONDS = 120.0
"""and for how long: reloading a model costs more than it spares when it happens all the time."""


class Stage(IntEnum):
    """What is given up, each stage with all before it."""

    CALM = 0
    CAREFUL = 1
    """Work that nobody waits for rests."""
    REDUCED = 2
    """The model has half the context, half the places and half the threads."""
    SILENT = 3
    """Speech is unloaded."""


class Strain(msgspec.Struct, frozen=True, kw_only=True):
    """One reading; None is what the device does not tell."""

    temperature_celsius: float | None = None
    limit_celsius: float = DEFAULT_LIMIT_CELSIUS
    stalled_percent: float | None = None
    used_percent: float | None = None


class Gauge:
    """One kind of strain with its hysteresis: up at once, down one stage after a calm while."""

    def __init__(self, thresholds: Sequence[float], margin: float) -> None:
        self._thresholds = tuple(thresholds)
        self._margin = margin
        self.stage = Stage.CALM
        self._calm_since: float | None = None
        """When the reading fell clearly below the present stage; None while it has not."""

    def step(self, value: float | None, now: float) -> Stage:
        """Take a reading at `now` (seconds, monotonic) and return the stage."""
        value = float("-inf") if value is None else value
        reached = Stage(sum(value >= threshold for threshold in self._thresholds))
        if reached > self.stage:
            self.stage, self._calm_since = reached, None
        elif self.stage and value < self._thresholds[self.stage - 1] - self._margin:
            self._calm_since = now if self._calm_since is None else self._calm_since
            if now - self._calm_since >= CALM_SECONDS:
                self.stage, self._calm_since = Stage(self.stage - 1), now
        else:
            self._calm_since = None
        return self.stage


class SelfCare:
    """The stage of a device from reading to reading."""

    def __init__(self) -> None:
        self._heat = Gauge(HEAT, HEAT_MARGIN)
        self._stalled = Gauge(STALLED, STALL_MARGIN)
        self._used = Gauge(USED, USED_MARGIN)

    def step(self, strain: Strain, now: float) -> Stage:
        """Take a reading and return the stage in which the device should be."""
        heat = strain.temperature_celsius
        above = None if heat is None else heat - strain.limit_celsius
        return max(
            self._heat.step(above, now),
            self._stalled.step(strain.stalled_percent, now),
            self._used.step(strain.used_percent, now),
        )

    @property
    def hot(self) -> bool:
        """Whether heat is among the reasons of the stage."""
        return self._heat.stage > Stage.CALM

    @property
    def short_of_memory(self) -> bool:
        """Whether lack of memory is."""
        return max(self._stalled.stage, self._used.stage) > Stage.CALM


def read_strain(root: Path = Path("/"), limit_celsius: float = 0.0) -> Strain:
    """Return how strained the device is now; `limit_celsius` 0 takes the device's own limit."""
    hottest, limit = _hottest(root / "sys/class/thermal")
    return Strain(
        temperature_celsius=hottest,
        limit_celsius=limit_celsius or limit,
        stalled_percent=_stalled(root / "proc/pressure/memory"),
        used_percent=_used(root / "proc/meminfo"),
    )


def _hottest(folder: Path) -> tuple[float | None, float]:
    """Return the temperature and limit of the zone that is nearest to its limit."""
    zones = []
    for zone in folder.glob("thermal_zone*"):
        temperature = _number(zone / "temp")
        if temperature is not None:
            zones.append((temperature / 1000, _limit(zone)))
    return max(zones, key=lambda each: each[0] - each[1], default=(None, DEFAULT_LIMIT_CELSIUS))


def _limit(zone: Path) -> float:
    """Return where a zone begins to throttle, by its trip points (thermal sysfs ABI)."""
    found: dict[str, float] = {}
    for kind in zone.glob("trip_point_*_type"):
        degrees = _number(zone / kind.name.replace("_type", "_temp"))
        name = _text(kind)
        if degrees is not None and degrees > 0:
            found[name] = min(degrees / 1000, found.get(name, degrees / 1000))
    if named := [found[name] for name in ("passive", "hot") if name in found]:
        return min(named)
    return found["critical"] - _CRITICAL_DISTANCE if "critical" in found else DEFAULT_LIMIT_CELSIUS


def _stalled(path: Path) -> float | None:
    """Return `some avg10` of a file of pressure stall information (kernel docs, accounting/psi)."""
    for line in _text(path).splitlines():
        words = line.split()
        if words[:1] == ["some"]:
            values = dict(word.split("=", 1) for word in words[1:] if "=" in word)
            return _float(values.get("avg10", ""))
    return None


def _used(path: Path) -> float | None:
    lines = (line.split(":", 1) for line in _text(path).splitlines() if ":" in line)
    values = {name: _float(words.split()[0]) for name, words in lines if words.split()}
    total, available = values.get("MemTotal"), values.get("MemAvailable")
    return None if not total or available is None else 100 * (1 - available / total)


def _number(path: Path) -> float | None:
    return _float(_text(path))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:  # a zone that is asleep has no reading
        return ""


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
