"""What happens during a turn, as numbered events; also their form on every wire.

A frontend sends these structs as they are: the tag is the `type` of the WebSocket protocol. `id` is
the request's id, `seq` counts from 1 within a turn without gaps.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Rung = Literal["intent", "extractive", "local", "peer", "cloud"]


class Route(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which rung of the answer ladder answered, and why."""

    rung: Rung
    model: str
    reason: str
    private: bool = False
    """Whether tools, memories or documents had a part in it: then nothing of this conversation may leave."""


class Timings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Milliseconds since the turn started, except `queue_ms` and `retrieve_ms`, which are spans."""

    queue_ms: float = 0.0
    retrieve_ms: float = 0.0
    first_token_ms: float = 0.0
    total_ms: float = 0.0


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of a turn."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0


class Source(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that an answer stands on, as it is listed below it."""

    n: int
    """The number by which an answer cites it, from 1."""
    kind: Literal["memory", "document"]
    source: str
    """Id of the memory or document."""
    title: str = ""
    mine: bool = False
    """Whether it is a memory of whoever asked."""
    where: str = ""
    """Place within it, such as `page 3`."""
    url: str = ""
    place: int = 0
    """Number of the piece within it, from 0, by which it can be read where it stands."""


class FunctionCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call that the program which asked shall make; `arguments` is JSON text."""

    id: str
    name: str
    arguments: str


class TurnStarted(msgspec.Struct, frozen=True, tag="turn.started", tag_field="type", kw_only=True):
    """The request is accepted and the user's message is stored durably."""

    id: str
    seq: int
    session: str


class TurnQueued(msgspec.Struct, frozen=True, tag="turn.queued", tag_field="type", kw_only=True):
    """Others are answered first: it is number `place` in the line, 1 is next. Told again when it moves up."""

    id: str
    seq: int
    place: int
    wait_seconds: float
    """Predicted time until the first word."""


class ContextRetrieved(msgspec.Struct, frozen=True, tag="sources", tag_field="type", kw_only=True):
    """What was found for this question, before the answer begins."""

    id: str
    seq: int
    items: tuple[Source, ...]


class PromptAdvanced(msgspec.Struct, frozen=True, tag="prompt.progress", tag_field="type", kw_only=True):
    """The model has read `done` of the prompt's `total` tokens."""

    id: str
    seq: int
    done: int
    total: int


class TextDelta(msgspec.Struct, frozen=True, tag="text.delta", tag_field="type", kw_only=True):
    """The next piece of the answer; `at` is CLOCK_MONOTONIC in seconds when the engine made it."""

    id: str
    seq: int
    text: str
    at: float = 0.0


class ToolCalled(msgspec.Struct, frozen=True, tag="tool.called", tag_field="type", kw_only=True):
    """Something is being done: `summary` says what, in words that no model wrote."""

    id: str
    seq: int
    name: str
    summary: str


class ToolFinished(msgspec.Struct, frozen=True, tag="tool.finished", tag_field="type", kw_only=True):
    """What came of it; `code` says why it failed."""

    id: str
    seq: int
    name: str
    outcome: Literal["done", "asked", "declined", "failed"]
    code: str = ""


class ConfirmationAsked(msgspec.Struct, frozen=True, tag="confirm.asked", tag_field="type", kw_only=True):
    """An action waits for a yes, which is given by its id, or by saying so in the same conversation."""

    id: str
    seq: int
    action: str
    summary: str
    """What would be done, such as `unlock the front door`."""
    pin: bool
    """Whether the yes must come with the household's PIN."""
    seconds: float
    """How long the question stays open."""


class TurnFinished(msgspec.Struct, frozen=True, tag="turn.finished", tag_field="type", kw_only=True):
    """The answer is complete and stored. `status` is `interrupted` when somebody stopped it."""

    id: str
    seq: int
    text: str
    status: Literal["complete", "interrupted", "truncated"]
    route: Route
    timings: Timings
    usage: Usage
    sources: tuple[Source, ...] = ()
    """What the answer stands on; it cites them by number."""
    calls: tuple[FunctionCall, ...] = ()
    """Functions of the program that asked; only in turns that bring functions."""
    notice: str = ""
    """One line for the person, such as that old turns were left out; usually empty."""


class TurnFailed(msgspec.Struct, frozen=True, tag="turn.failed", tag_field="type", kw_only=True):
    """There will be no (more) answer; what was received so far is stored and marked."""

    id: str
    seq: int
    code: str
    message: str
    retry_after: float | None = None


Event = (
    TurnStarted
    | TurnQueued
    | ContextRetrieved
    | PromptAdvanced
    | TextDelta
    | ToolCalled
    | ToolFinished
    | ConfirmationAsked
    | TurnFinished
    | TurnFailed
)
