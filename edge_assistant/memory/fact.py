"""What is known of a person: the types."""

from __future__ import annotations

import msgspec

from edge_assistant.memory.statement import Origin

FACT_CHARACTERS = 500
"""A fact is a sentence or two; longer ones would crowd out everything else in a prompt."""


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """Where something was said."""

    session: str = ""
    turn: str = ""
    source: str = ""
    """The frontend: `web`, `voice`, …"""


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that somebody said to be so. Times are UNIX seconds."""

    id: str
    principal: str
    """Who said it; `household` when it was nobody in particular."""
    shared: bool
    """Whether everybody who lives here may know it."""
    text: str
    slot: str = ""
    """What it is the one answer to; empty when several may hold."""
    origin: Origin
    confidence: float
    session: str = ""
    turn: str = ""
    source: str = ""
    created_at: float
    said_at: float
    """When it was last said."""
    times: int = 1
    """How often it was said."""
    replaced_by: str | None = None
    """The fact that took its place; None while it holds."""
    replaces: int = 0
    """How many older facts it took the place of: that can be undone."""


class Recalled(msgspec.Struct, frozen=True, kw_only=True):
    """A fact that fits a question."""

    fact: Fact
    score: float
    """From 0 to 1; see `memory.recall`."""
