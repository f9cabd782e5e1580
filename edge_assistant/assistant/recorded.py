"""The events of a turn that ended long ago, from what the store kept of it.

Pieces are not kept one by one: the answer comes as one delta. See `Turn.events` for the numbering.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from edge_assistant.assistant.events import (
    Event,
    Route,
    Source,
    TextDelta,
    Timings,
    TurnFailed,
    TurnFinished,
    TurnStarted,
    Usage,
)
from edge_assistant.memory.conversation import StoredTurn

T = TypeVar("T")


def recorded_events(turn: StoredTurn) -> list[Event]:
    """Return `turn.started`, a delta with the whole answer if there is any, and the last event."""
    events: list[Event] = [TurnStarted(id=turn.turn_id, seq=1, session=turn.session)]
    if turn.answer_text:
        events.append(TextDelta(id=turn.turn_id, seq=2, text=turn.answer_text))
    return [*events, _last(turn, len(events) + 1)]


def _last(turn: StoredTurn, seq: int) -> Event:
    if turn.status == "failed":
        code = turn.error_code or "INTERNAL"
        return TurnFailed(id=turn.turn_id, seq=seq, code=code, message="this answer failed; ask again")
    return TurnFinished(
        id=turn.turn_id,
        seq=seq,
        text=turn.answer_text,
        status="interrupted" if turn.status == "running" else turn.status,
        route=_struct(turn.route, Route) or Route(rung="local", model=turn.model, reason="stopped early"),
        timings=_struct(turn.timings, Timings) or Timings(),
        usage=_struct(turn.usage, Usage) or Usage(),
        sources=msgspec.convert(turn.sources, tuple[Source, ...]),
    )


def _struct(stored: dict[str, object] | None, kind: type[T]) -> T | None:
    return None if stored is None else msgspec.convert(stored, kind)
