"""Orders of the control socket about what is remembered of people, and their answers."""

from __future__ import annotations

from typing import Annotated, Protocol

import msgspec

from edge_assistant.assistant.forgetting import Forgetting, Receipt
from edge_assistant.assistant.request import Principal
from edge_assistant.frontends.forgetting import ForgetWish, subject_of
from edge_assistant.frontends.protocol import Id
from edge_assistant.memory.conversations import Conversations
from edge_assistant.memory.fact import Fact, Recalled
from edge_assistant.memory.facts import Facts
from edge_assistant.people.person import OWNER_ID
from edge_assistant.store.audit import AuditLog
from edge_assistant.store.audit_entry import Entry

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


class ForgetMemory(ForgetWish, frozen=True, kw_only=True, tag="memory.forget", tag_field="type"):
    """Forget something; `user` asks for it."""

    user: Id = OWNER_ID


class CheckReceipt(msgspec.Struct, frozen=True, tag="memory.check", tag_field="type"):
    """Tell whether this device made a receipt and its log is whole."""

    receipt: Receipt


class ReadAudit(msgspec.Struct, frozen=True, tag="memory.audit", tag_field="type"):
    """List the last entries of the audit log."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 200


MemoryOrder = (
    ListMemory
    | SearchMemory
    | AddMemory
    | CorrectMemory
    | UndoMemory
    | ExportMemory
    | ForgetMemory
    | CheckReceipt
    | ReadAudit
)


class FactList(msgspec.Struct, frozen=True, tag="memory.facts", tag_field="type"):
    """Memories."""

    items: list[Fact]


class FactsFound(msgspec.Struct, frozen=True, tag="memory.found", tag_field="type"):
    """Memories that fit, the best first."""

    items: list[Recalled]


class Preview(msgspec.Struct, frozen=True, tag="memory.preview", tag_field="type"):
    """How much of what would be forgotten."""

    erased: dict[str, int]


class Checked(msgspec.Struct, frozen=True, tag="memory.checked", tag_field="type"):
    """Whether a receipt is genuine."""

    genuine: bool


class AuditEntries(msgspec.Struct, frozen=True, tag="memory.entries", tag_field="type"):
    """Entries of the audit log, the newest first, and the first that is not as it was."""

    items: list[Entry]
    broken: int | None


Answer = FactList | FactsFound | Preview | Checked | AuditEntries | Receipt


class Memory(Protocol):
    """What is needed to carry them out."""

    @property
    def facts(self) -> Facts:
        """What is remembered of people."""
        ...

    @property
    def forgetting(self) -> Forgetting:
        """What forgets."""
        ...

    @property
    def audit(self) -> AuditLog:
        """Who did what."""
        ...

    async def principal(self, user_id: str) -> Principal:
        """Return a person as they are known here; raises USER_NOT_FOUND."""
        ...

    @property
    def conversations(self) -> Conversations:
        """Who said what."""
        ...


async def obey(order: MemoryOrder, memory: Memory) -> Answer:
    """Carry out an order; raises what `Facts`, `Forgetting` and `subject_of` raise."""
    match order:
        case ForgetMemory():
            return await _forget(order, memory)
        case CheckReceipt(receipt):
            return Checked(await memory.forgetting.genuine(receipt))
        case ReadAudit(limit):
            return AuditEntries(await memory.audit.entries(limit), await memory.audit.first_broken())
        case _:
            return await _remember(order, memory.facts, memory.audit)


async def _forget(order: ForgetMemory, memory: Memory) -> Answer:
    everything = not any((order.session, order.document, order.memory, order.topic))
    wish = msgspec.structs.replace(order, person=order.user) if everything else order
    subject = await subject_of(wish, await memory.principal(order.user), memory.conversations)
    if order.preview:
        return Preview(await memory.forgetting.preview(subject))
    return await memory.forgetting.forget(subject, OWNER_ID)


async def _remember(
    order: ListMemory | SearchMemory | AddMemory | CorrectMemory | UndoMemory | ExportMemory,
    facts: Facts,
    audit: AuditLog,
) -> Answer:
    await audit.record(str(order.__struct_config__.tag), order.user, {"source": "control"})
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
