"""From a turn to the spans of its trace: names, times and numbers, never a text.

Trace and root are named after the turn, so that what the voice tells of it later joins the same trace; the
hash hides the id, which a client made.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Literal

import msgspec

from edge_assistant.assistant.events import TurnFailed, TurnFinished
from edge_assistant.assistant.turn import Turn

Value = str | int | float

_NANOSECONDS = 1_000_000_000

VOICE_STAGES = ("endpoint", "transcript", "first_text", "first_audio")
"""Parts of `VoiceTimings`, each from the end of the one before."""


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """One span; times are UNIX nanoseconds."""

    trace: bytes
    id: bytes
    parent: bytes = b""
    """Empty for the root."""
    name: str
    kind: Literal["server", "internal"] = "internal"
    began_ns: int
    ended_ns: int
    attributes: dict[str, Value] = {}
    error: str = ""
    """Code of the error; empty when it went well."""
    first_token_ns: int = 0
    """When the first piece of the answer was there; 0 when that is no matter of this span."""


class Clock:
    """Turns `time.monotonic` into UNIX nanoseconds, as the clock goes now."""

    def __init__(
        self, wall_ns: Callable[[], int] = time.time_ns, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.now = monotonic()
        self._wall_ns = wall_ns()

    def __call__(self, moment: float) -> int:
        """Return when `moment` was."""
        return self._wall_ns + round((moment - self.now) * _NANOSECONDS)


def spans_of(turn: Turn, model: str, clock: Clock) -> Iterator[Span]:
    """Yield the root span of a turn that ended and one for each of its stages."""
    trace, root = names_of(turn.id)
    last = turn.last
    attributes: dict[str, Value] = {"edge_assistant.source": turn.source}
    ended, error, first_token = clock.now, "", 0.0
    if isinstance(last, TurnFinished):
        ended = turn.created + last.timings.total_ms / 1000
        first_token = turn.created + last.timings.first_token_ms / 1000
        attributes |= _answered(last, model)
    elif isinstance(last, TurnFailed):
        error = last.code
    yield Span(
        trace=trace, id=root, name="turn", kind="server", began_ns=clock(turn.created),
        ended_ns=clock(max(ended, *(stage.ended for stage in turn.stages), turn.created)),
        attributes=attributes, error=error,
    )  # fmt: skip
    for stage in turn.stages:
        inside = stage.name == "model" and stage.began <= first_token <= stage.ended
        yield Span(
            trace=trace, id=secrets.token_bytes(8), parent=root, name=stage.name,
            began_ns=clock(stage.began), ended_ns=clock(stage.ended),
            attributes={"edge_assistant.tool": stage.detail} if stage.detail else {},
            first_token_ns=clock(first_token) if inside else 0,
        )  # fmt: skip


def voice_spans(turn_id: str, timings: msgspec.Struct, clock: Clock) -> Iterator[Span]:
    """Yield what a person waited for whose answer begins to sound now, from the end of their speech."""
    trace, root = names_of(turn_id)
    sound = secrets.token_bytes(8)
    began = clock.now - getattr(timings, "sound_ms") / 1000  # noqa: B009 - of a room that may not be loaded
    yield Span(
        trace=trace, id=sound, parent=root, name="voice", began_ns=clock(began), ended_ns=clock(clock.now)
    )
    for stage in VOICE_STAGES:
        ended = began + getattr(timings, f"{stage}_ms") / 1000
        yield Span(
            trace=trace, id=secrets.token_bytes(8), parent=sound, name=f"voice.{stage}",
            began_ns=clock(began), ended_ns=clock(ended),
        )  # fmt: skip
        began = ended


def names_of(turn_id: str) -> tuple[bytes, bytes]:
    """Return the ids of a turn's trace and of its root span."""
    digest = hashlib.sha256(turn_id.encode()).digest()
    return digest[:16], digest[16:24]


def _answered(answer: TurnFinished, model: str) -> dict[str, Value]:
    usage = answer.usage
    return {
        "edge_assistant.rung": answer.route.rung,
        "edge_assistant.status": answer.status,
        "edge_assistant.cached_tokens": usage.cached_tokens,
        "gen_ai.request.model": model,
        "gen_ai.usage.input_tokens": usage.prompt_tokens,
        "gen_ai.usage.output_tokens": usage.completion_tokens,
    }
