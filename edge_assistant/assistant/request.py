"""A request as every frontend makes it."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from edge_assistant.llm.protocol import Message
from edge_assistant.people.person import HOUSEHOLD, OWNER, Principal

__all__ = ["HOUSEHOLD", "OWNER", "Brought", "Confirms", "Function", "Principal", "Request", "Wishes"]


class Function(msgspec.Struct, frozen=True, kw_only=True):
    """A function of the program that asks: the model may ask for a call, the program makes it."""

    name: str
    description: str = ""
    parameters: dict[str, Any]
    """JSON schema of its arguments."""


class Wishes(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a program wants otherwise than this device is configured; names as in `Sampling`."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    json_schema: str | None = None


class Brought(msgspec.Struct, frozen=True, kw_only=True):
    """What a program brings along instead of a session: its own history, functions and wishes."""

    messages: tuple[Message, ...]
    """All of the conversation, the program's own system message first; the last is to be answered."""
    wishes: Wishes = Wishes()
    functions: tuple[Function, ...] = ()
    call: Literal["auto", "required"] = "auto"
    """Whether the answer may be a function call, or must be."""


class Confirms(msgspec.Struct, frozen=True, kw_only=True):
    """A person's answer to the question whether something may be done."""

    action: str
    """Id of the question."""
    approve: bool
    pin: str = ""
    """The household's PIN, when it was asked for; never stored."""


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
    confirms: Confirms | None = None
    """Set when this answers a question of ours by its id: tapped, or sent over MQTT."""
    private: bool = False
    """Whether it must stay on this device, whatever the configuration allows."""
    brought: Brought | None = None
    """Set when a program asks that keeps the conversation itself: then nothing of it is kept here."""
