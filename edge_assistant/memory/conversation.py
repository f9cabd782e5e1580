"""What is kept of a conversation: the types."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Visibility = Literal["private", "household"]
"""Who sees a conversation: whoever began it, or everybody who lives here."""

TurnStatus = Literal["running", "complete", "interrupted", "truncated", "failed"]


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One conversation of one person, as a list shows it. Times are UNIX seconds."""

    id: str
    title: str
    """Empty until the first message."""
    created_at: float
    updated_at: float
    turns: int
    visibility: Visibility = "private"
    began_by: str = ""
    """The principal in whose name it began."""


class StoredTurn(msgspec.Struct, frozen=True, kw_only=True):
    """A message and its answer. Times are UNIX seconds.

    `route`, `timings` and `usage` are the structs of `assistant.events` as plain dictionaries, None
    while there is no answer.
    """

    turn_id: str
    session: str
    status: TurnStatus
    user_text: str
    answer_text: str = ""
    token_ids: tuple[int, ...] = ()
    """The ids that the model `model` generated for `answer_text`."""
    model: str = ""
    route: dict[str, Any] | None = None
    timings: dict[str, Any] | None = None
    usage: dict[str, Any] | None = None
    sources: tuple[dict[str, Any], ...] = ()
    """What the answer stands on, structs of `assistant.events` as plain dictionaries."""
    error_code: str | None = None
    created_at: float
    finished_at: float | None = None


class BeganTurn(msgspec.Struct, frozen=True):
    """What `begin_turn` found or made: `new` is False when the id was known already."""

    new: bool
    turn: StoredTurn
    replaced: tuple[str, ...] = ()
    """Ids of the turns that it took the place of, which are erased."""
