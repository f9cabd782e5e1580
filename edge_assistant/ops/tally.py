"""Counts turns as they end: a few additions each, whether anybody ever asks or not."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable

import msgspec

from edge_assistant.assistant.events import ToolFinished, TurnFailed, TurnFinished
from edge_assistant.assistant.turn import Turn
from edge_assistant.ops import figures
from edge_assistant.ops.metrics import Distribution, Metric, Reading

SOURCES = frozenset({"web", "control", "mqtt", "voice", "api"})
MOST_CODES = 100
"""Codes that are told apart; a server elsewhere can't fill the memory with new ones."""

_CODE = re.compile(r"[A-Z][A-Z0-9_]{1,59}")
"""How codes look; a server elsewhere can't put a sentence into a label."""

TURN_BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
STAGE_BOUNDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


def _distributions(bounds: tuple[float, ...]) -> Callable[[], Distribution]:
    return lambda: Distribution(bounds)


class Tally:
    """What happened since the daemon started."""

    def __init__(self, *, voice_stages: Iterable[str] = ()) -> None:
        """`voice_stages` are told from the start, before anything was said."""
        self._turns: Counter[tuple[str, str, str]] = Counter()
        self._failures: Counter[str] = Counter()
        self._tokens: Counter[str] = Counter()
        self._tools: Counter[tuple[str, str]] = Counter()
        self._first_token = defaultdict[str, Distribution](_distributions(TURN_BOUNDS))
        self._turn_seconds = defaultdict[str, Distribution](_distributions(TURN_BOUNDS))
        self._stages = defaultdict[str, Distribution](_distributions(STAGE_BOUNDS))
        self._voice_stages = {stage: Distribution(STAGE_BOUNDS) for stage in voice_stages}

    def watch(self, turn: Turn) -> None:
        """Count a turn that ended; see `Assistant.watch_turns`."""
        if turn.rebuilt or not turn.finished:
            return
        source = turn.source if turn.source in SOURCES else "other"
        match turn.last:
            case TurnFinished() as answer:
                self._finished(source, answer)
            case TurnFailed(code=code):
                self._turns[source, "none", "failed"] += 1
                room = code in self._failures or len(self._failures) < MOST_CODES
                known = room and _CODE.fullmatch(code)
                self._failures[code if known else "other"] += 1
        for event in turn.history:
            if isinstance(event, ToolFinished):
                self._tools[event.name, event.outcome] += 1
        for stage in turn.stages:
            self._stages[stage.name].observe(stage.ended - stage.began)

    def heard(self, turn_id: str, timings: msgspec.Struct) -> None:
        """Count the stages of a spoken exchange: the fields of a `VoiceTimings`, milliseconds."""
        del turn_id
        for stage, found in self._voice_stages.items():
            found.observe(getattr(timings, f"{stage}_ms") / 1000)

    def readings(self) -> Iterable[Reading]:
        """Return everything counted."""
        for labels, count in self._turns.items():
            yield Reading(figures.TURNS, count, labels)
        for code, count in self._failures.items():
            yield Reading(figures.FAILURES, count, (code,))
        for labels_of_tool, count in self._tools.items():
            yield Reading(figures.TOOL_CALLS, count, labels_of_tool)
        for metric in (figures.PROMPT_TOKENS, figures.CACHED_TOKENS, figures.ANSWER_TOKENS):
            yield Reading(metric, self._tokens[metric.name])
        yield from _each(figures.FIRST_TOKEN, self._first_token)
        yield from _each(figures.TURN_SECONDS, self._turn_seconds)
        yield from _each(figures.STAGES, self._stages)
        yield from _each(figures.VOICE_STAGES, self._voice_stages)

    def _finished(self, source: str, answer: TurnFinished) -> None:
        rung, timings, usage = answer.route.rung, answer.timings, answer.usage
        self._turns[source, rung, answer.status] += 1
        if timings.first_token_ms:
            self._first_token[rung].observe(timings.first_token_ms / 1000)
        self._turn_seconds[rung].observe(timings.total_ms / 1000)
        self._tokens[figures.PROMPT_TOKENS.name] += usage.prompt_tokens
        self._tokens[figures.CACHED_TOKENS.name] += usage.cached_tokens
        self._tokens[figures.ANSWER_TOKENS.name] += usage.completion_tokens


def _each(metric: Metric, distributions: dict[str, Distribution]) -> Iterable[Reading]:
    return (Reading(metric, found, (label,)) for label, found in distributions.items())
