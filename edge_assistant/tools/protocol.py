"""What every tool offers, and what goes in and comes out: the types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import msgspec

from edge_assistant.people.person import Principal

Risk = Literal["free", "confirm", "pin"]
"""Whether an action is just done, asked about first, or wants the household's PIN."""

Reach = Literal["look", "note", "act"]
"""How far it goes: it reads, it keeps something here that can be undone, or it changes the world outside
or deletes. What acts is never done after untrusted text without a confirmation, whatever its risk."""


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """What a call would do, judged before it is done."""

    reach: Reach = "look"
    risk: Risk = "free"
    summary: str
    """A request for a person to read or hear: `unlock the front door`. No model wrote it."""


class Occasion(msgspec.Struct, frozen=True, kw_only=True):
    """Who wants something done, where, and on what ground."""

    principal: Principal
    session: str = ""
    source: str = ""
    """Which frontend heard it, as in `Request.source`."""
    language: str = "en"
    tainted: bool = False
    """Whether text that nobody here vouches for, such as a document, could have led to this."""


class Call(msgspec.Struct, frozen=True):
    """A tool and its arguments, plain data as JSON has it."""

    tool: str
    arguments: dict[str, Any] = {}


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """A passage that a tool found, to be cited by its number."""

    text: str
    source: str
    """Id of the document."""
    title: str
    where: str = ""
    url: str = ""
    place: int = 0
    """Number of the passage within the document."""


def numbered(quotes: Sequence[Quote], first: int = 1) -> str:
    """Return quotes as the model reads them, numbered from `first`."""
    origins = [", ".join(part for part in (quote.title, quote.where) if part) for quote in quotes]
    lines = zip(origins, quotes, strict=True)
    return "\n".join(f"[{n}] ({origin}) {quote.text}" for n, (origin, quote) in enumerate(lines, start=first))


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a call."""

    text: str
    """For a person to read or hear, and for the model."""
    untrusted: bool = False
    """Whether `text` holds words that nobody here vouches for."""
    undo: Call | None = None
    """Takes it back; None when that can't be done."""
    quotes: tuple[Quote, ...] = ()
    """What `text` consists of, when it is passages of documents."""


class Tool(Protocol):
    """One thing that can be done."""

    @property
    def name(self) -> str:
        """What a call names."""
        ...

    @property
    def description(self) -> str:
        """One sentence for the model."""
        ...

    @property
    def arguments(self) -> type[msgspec.Struct]:
        """The form of its arguments; the JSON schema is made of it."""
        ...

    def effect(self, arguments: Any, occasion: Occasion) -> Effect:
        """Return what a call would do; raises `EdgeError` when it can't be done at all."""
        ...

    async def run(self, arguments: Any, occasion: Occasion) -> Outcome:
        """Do it; raises `EdgeError`."""
        ...


class Ledger(Protocol):
    """Where every action is written down, such that nobody can change it later."""

    async def record(self, event: str, principal: str, details: Mapping[str, Any]) -> None:
        """Add an entry durably; `event` is `action.began`, `action.ended`, `action.asked` and the like."""
        ...


_LIMITS = frozenset(
    {"pattern", "minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum", "default", "title"}
)
"""What a tool checks itself: in a grammar lengths become thousands of rules, patterns another dialect."""


def schema_of(tool: Tool) -> dict[str, Any]:
    """Return the JSON schema of a tool's arguments for a model: no references, no limits."""
    whole = msgspec.json.schema(tool.arguments)
    schema: dict[str, Any] = _plain(whole["$defs"][tool.arguments.__name__])
    schema.pop("description", None)
    return {**schema, "additionalProperties": False}


def _plain(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {key: _plain(value) for key, value in schema.items() if key not in _LIMITS}
    return [_plain(each) for each in schema] if isinstance(schema, list) else schema
