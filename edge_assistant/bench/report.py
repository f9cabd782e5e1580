"""Runs a bench and collects what it found."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from edge_assistant.bench.goal import Result
from edge_assistant.bench.machine import describe_machine
from edge_assistant.bench.measurement import CannotMeasureError, Measurement, Setting
from edge_assistant.errors import EdgeError


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What `bench NAME --json` prints."""

    bench: str
    machine: str
    date: str
    """When it ended, ISO 8601 in UTC."""
    results: tuple[Result, ...]

    @property
    def holds(self) -> bool:
        """Whether no goal is known to be missed; one that could not be measured is not."""
        return all(result.holds is not False for result in self.results)


def report(name: str, results: tuple[Result, ...]) -> Report:
    """Return the report of a bench that ended now."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Report(bench=name, machine=describe_machine(), date=now, results=results)


def results(measurements: tuple[Measurement, ...], setting: Setting) -> Iterator[Result]:
    """Measure and yield one result for each goal, as they come; a failure is a result and no end."""
    for measurement in measurements:
        done = 0
        try:
            for result in measurement.measure(setting):
                done += 1
                yield result
        except CannotMeasureError as error:
            yield from (goal.unmeasured(error.message) for goal in measurement.goals[done:])
        except (EdgeError, OSError, ExceptionGroup) as error:
            yield from (goal.failed(_reason(error)) for goal in measurement.goals[done:])


def _reason(error: Exception) -> str:
    if isinstance(error, ExceptionGroup):
        return "; ".join(_reason(each) for each in error.exceptions)
    return str(error) if isinstance(error, EdgeError) else f"{type(error).__name__}: {error}"
