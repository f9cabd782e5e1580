"""Orders of the control socket about what is remembered of people, and their answers."""

from __future__ import annotations

from typing import Annotated

import msgspec

from edge_assistant.frontends.protocol import Id
from edge_assistant.memory.fact import Fact, Recalled
from edge_assistant.memory.facts import Facts
from edge_assistant.people.person import OWNER_ID

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]


class ListMemory(msgspec.Struct, frozen=True, tag="memory.list", tag_field="type"):
    """List what is known of `user`, and what the household shares with them."""

    user: Id = OWNER_ID
    replaced: bool = False
    """Whether also what no longer holds."""


class SearchMemory(msgspec.Struct, frozen=True, tag="memory.search", tag_field="type"):
    """Find what fits a text."""

    text: Text
    user: Id = OWNER_ID


class AddMemory(msgspec.Struct, frozen=True, tag="memory.add", tag_field="type"):
    """Remember something."""

    text: Text
    user: Id = OWNER_ID
    shared: bool = False


class CorrectMemory(msgspec.Struct, frozen=True, tag="memory.correct", tag_field="type"):
    """Let a memory say something else."""

    fact: Id
    text: Text
    user: Id = OWNER_ID


class UndoMemory(msgspec.Struct, frozen=True, tag="memory.undo", tag_field="type"):
    """Take a memory back; what it took the place of holds again."""

    fact: Id
    user: Id = OWNER_ID


class ExportMemory(msgspec.Struct, frozen=True, tag="memory.export", tag_field="type"):
    """Give everything that `user` said."""

    user: Id = OWNER_ID


MemoryOrder = ListMemory | SearchMemory | AddMemory | CorrectMemory | UndoMemory | ExportMemory


class FactList(msgspec.Struct, frozen=True, tag="memory.facts", tag_field="type"):
    """Memories."""

    items: list[Fact]


class FactsFound(msgspec.Struct, frozen=True, tag="memory.found", tag_field="type"):
    """Memories that fit, the best first."""

    items: list[Recalled]


async def obey(order: MemoryOrder, facts: Facts) -> FactList | FactsFound:
    """Carry out an order; raises what `Facts` raises."""
    match order:
        case ListMemory(user, replaced):
            return FactList(await facts.known(user, replaced=replaced))
        case SearchMemory(text, user):
            return FactsFound(await facts.search(user, text))
        case AddMemory(text, user, shared):
            return FactList(await facts.add(user, text, shared=shared))
        case CorrectMemory(fact, text, user):
            return FactList([await facts.correct(user, fact, text)])
        case UndoMemory(fact, user):
            return FactList(await facts.undo(user, fact))
        case ExportMemory(user):
            return FactList(await facts.of(user))
