"""A measurement: the goals it answers to, and the work that yields a result for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import msgspec

from edge_assistant.bench.goal import Goal, Result
from edge_assistant.config import Config, Paths
from edge_assistant.errors import EdgeError

T = TypeVar("T")


class Shared:
    """Expensive parts that several measurements use: each is opened once, all are closed with the bench."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._parts: dict[str, Any] = {}

    def part(self, name: str, open_it: Callable[[], AbstractContextManager[T]]) -> T:
        """Return the part of that name, opened when it is asked for the first time."""
        if name not in self._parts:
            self._parts[name] = self._stack.enter_context(open_it())
        return cast("T", self._parts[name])

    def close(self) -> None:
        """Close what was opened, the newest first."""
        self._parts.clear()
        self._stack.close()


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
    plot: Path | None = None
    """Where a bench that draws something puts it."""
    shared: Shared = msgspec.field(default_factory=Shared)
    """What the measurements of one bench share."""

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
