"""What can be forgotten, and how each room does its share of it.

A room that keeps something about people adds one `EraseHook` to the list that `app.py` makes. Its
`rows` work on a transaction of any database of ours, the running one or one in a backup; `live` holds
still and drops whatever lies in memory or in files besides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import apsw
import msgspec

_WORD = re.compile(r"\w+")
_STEM = 4
"""Letters from which on an ending is no matter: a topic `doctor` takes `doctors` along."""


class Person(msgspec.Struct, frozen=True, tag="person", tag_field="kind"):
    """Everything that a person said, added or set."""

    principal: str
    account: bool = False
    """Whether also their name, devices and tokens: they leave."""


class Sessions(msgspec.Struct, frozen=True, tag="session", tag_field="kind"):
    """Conversations with all that was learnt in them."""

    ids: tuple[str, ...]


class Document(msgspec.Struct, frozen=True, tag="document", tag_field="kind"):
    """One document with its passages."""

    id: str
    principal: str = ""
    """In whose name; what that person may not delete stays."""


class Memory(msgspec.Struct, frozen=True, tag="memory", tag_field="kind"):
    """One memory with all that it took the place of; what was said in the conversation stays."""

    id: str
    principal: str
    """In whose name; what that person may not change stays."""


class Topic(msgspec.Struct, frozen=True, tag="topic", tag_field="kind"):
    """Whatever a person said or was answered in which all these words stand, whatever their endings."""

    words: str
    principal: str

    def mentioned_in(self, text: str) -> bool:
        """Return whether all the words stand in a text."""
        found = _WORD.findall(text.lower())
        return bool(self.stems) and all(any(w.startswith(stem) for w in found) for stem in self.stems)

    @property
    def stems(self) -> tuple[str, ...]:
        """The words without the endings that English gives them."""
        return tuple(
            re.sub(r"(?:ies|es|s|y)\Z", "", word) if len(word) > _STEM else word
            for word in _WORD.findall(self.words.lower())
        )


class Old(msgspec.Struct, frozen=True, tag="old", tag_field="kind"):
    """What was said before a moment, whoever said it; UNIX seconds, 0 for nothing."""

    turns_before: float = 0.0
    facts_before: float = 0.0
    """Facts that were last said before."""


Subject = Person | Sessions | Document | Memory | Topic | Old


@dataclass(frozen=True)
class EraseHook:
    """One room's share."""

    name: str
    """What it keeps, as receipts call it: `conversations`."""
    tables: Sequence[str]
    """The tables it answers for, `x_*` for all that begin so; a test fails for one that nobody names."""
    rows: Callable[[apsw.Connection, Subject], int]
    """Deletes what a subject left in these tables and returns how much it was, as people count it."""
    live: Callable[[Subject], AbstractAsyncContextManager[None]] | None = None
    """Held around `rows` on the running database: entered before they go, left when they are gone."""


NOT_ABOUT_PEOPLE = (
    "audit", "audit_key", "audit_segments", "backups", "certificates", "throttles", "seen_commands",
    "cloud_usage", "index_embedders", "sqlite_sequence",
)  # fmt: skip
"""Tables without a word about anybody: pseudonyms, hashes, names of models and files."""


def erase_rows(db: apsw.Connection, hooks: Sequence[EraseHook], subject: Subject) -> dict[str, int]:
    """Delete what a subject left anywhere, inside a transaction of the caller; return how much where."""
    return {hook.name: hook.rows(db, subject) for hook in hooks}
