"""The messages between the daemon and the `intents` worker."""

from __future__ import annotations

from typing import Any

import msgspec

LONGEST_TEXT = 200
"""Characters of a sentence; whoever says more says no command."""


class IntentSettings(msgspec.Struct, frozen=True):
    """How the worker is set up."""

    languages: tuple[str, ...] = ("en", "de")


class Spoken(msgspec.Struct, frozen=True):
    """A name by which something is called, and what kind of thing it is."""

    name: str
    domain: str


class Own(msgspec.Struct, frozen=True):
    """One of the owner's sentences, by its number in the configuration."""

    number: int
    say: tuple[str, ...]


class Vocabulary(msgspec.Struct, frozen=True, tag="vocabulary"):
    """What can be named in this house."""

    names: tuple[Spoken, ...] = ()
    areas: tuple[str, ...] = ()
    own: tuple[Own, ...] = ()


class Parse(msgspec.Struct, frozen=True, tag="parse", kw_only=True):
    """Understand a sentence. `languages` are tried in order; `room` is where it was heard."""

    id: int
    text: str
    languages: tuple[str, ...]
    room: str = ""
    last: str = ""
    """Name of what was spoken of before: what `it` means."""


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """One command of a sentence."""

    intent: str
    language: str
    slots: dict[str, Any] = {}
    domain: str = ""
    """Kind of what was named."""
    response: str = ""
    """Kind of question, as the templates call it: `one_yesno`, `any`, `which`."""


class Parsed(msgspec.Struct, frozen=True, tag="parsed"):
    """The commands of sentence `id`, in order; none when it fits no template."""

    id: int
    matches: tuple[Match, ...] = ()


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The templates are loaded."""

    load_ms: float


Order = Vocabulary | Parse
Reply = Ready | Parsed
