"""A request as every frontend makes it."""

from __future__ import annotations

import msgspec

from edge_assistant.people.person import HOUSEHOLD_ID, OWNER_ID, Role


class Principal(msgspec.Struct, frozen=True):
    """Who asks. Set by a frontend from its own knowledge, never from a payload."""

    id: str
    role: Role = "guest"


OWNER = Principal(OWNER_ID, "owner")
"""The person at the device itself: terminal, control socket, the first sign-in link."""

HOUSEHOLD = Principal(HOUSEHOLD_ID, "member")
"""Everybody who lives here: in whose name a conversation of the household looks things up and acts."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One thing a person asks.

    `id` is the client's; repeating it re-attaches to the turn and never runs it again. `text` has at
    most 32,000 characters. `source` names the frontend: `web`, `control`, `mqtt`, `voice`, `api`.
    """

    id: str
    text: str
    session: str
    principal: Principal = OWNER
    source: str = "control"
    replaces: str = ""
    """Id of an earlier turn of the session that was edited: it and all after it give way to this one."""
    tokens_per_second: float = 8.0
    """Pace the person needs: a reader's by default, see `llm.protocol`."""
