"""A measurement: the goals it answers to, and the work that yields a result for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec

from edge_assistant.bench.goal import Goal, Result
from edge_assistant.config import Config, Paths
from edge_assistant.errors import EdgeError


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """What a measurement may use of this device."""

    config: Config
    paths: Paths
    """Where the models are. State is never used: each measurement makes folders of its own."""
    config_file: Path | None = None
    """What `--config` named, for processes that are started."""
    quick: bool = False
    """Measure at reduced size: all measurements of a bench together within a minute."""
    say: Callable[[str], None] = lambda _: None
    """Tells the person who waits what goes on; not part of the report."""

    def count(self, whole: int, quick: int) -> int:
        """Return how often to do something."""
        return quick if self.quick else whole


class Measurement(NamedTuple):
    """Some goals and what measures them, in the same run because they share its expensive parts.

    `measure` yields one result for each goal, in their order.
    """

    goals: tuple[Goal, ...]
    measure: Callable[[Setting], Iterable[Result]]

    def answers(self, words: str) -> bool:
        """Return whether the words stand in the name of one of its goals."""
        return any(words.lower() in goal.metric.lower() for goal in self.goals)


class CannotMeasureError(EdgeError):
    """Something that a measurement needs isn't on this device; the message says how to get it."""

    def __init__(self, message: str) -> None:
        super().__init__("BENCH_NOT_POSSIBLE", message)
