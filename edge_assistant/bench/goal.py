"""What is promised of a figure, and a figure held against it."""

from __future__ import annotations

import math

import msgspec

_DIGITS = 4
"""Significant digits of a reported figure; more would only pretend."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One measured figure, as `bench NAME --json` prints it."""

    metric: str
    value: float | None
    """None when nothing could be measured."""
    unit: str
    """`ratio`, `ms`, `s`, `MB`, …"""
    goal: str
    """As it was asked for, in words."""
    holds: bool | None
    """None when it could not be told, and `note` says why."""
    note: str = ""
    """How it was measured: numbers behind the figure, how many, how far they spread."""


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """A figure to be measured and the bound it should keep; without a bound any figure holds."""

    metric: str
    unit: str
    text: str
    at_most: float = math.inf
    at_least: float = -math.inf

    def measured(self, value: float, note: str = "") -> Result:
        """Return the result for `value`."""
        rounded = float(f"{value:.{_DIGITS}g}")
        return self._result(rounded, self.at_least <= rounded <= self.at_most, note)

    def unmeasured(self, note: str) -> Result:
        """Return the result when it can't be measured here; `note` says why and what to do."""
        return self._result(None, None, note)

    def failed(self, note: str) -> Result:
        """Return the result when measuring went wrong: a promise that breaks does not hold."""
        return self._result(None, False, note)

    def _result(self, value: float | None, holds: bool | None, note: str) -> Result:
        return Result(metric=self.metric, value=value, unit=self.unit, goal=self.text, holds=holds, note=note)
