"""Documents: this room's share of forgetting."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import apsw

from edge_assistant.documents import rows
from edge_assistant.documents.document import HOUSEHOLD
from edge_assistant.documents.library import Library
from edge_assistant.memory.erasing import erase_citing
from edge_assistant.store.erase import Document, EraseHook, Memory, Old, Person, Sessions, Subject, Topic


def document_hook(library: Library | None) -> EraseHook:
    """Return how documents are forgotten; a running library lets go of those that are being read."""

    @contextlib.asynccontextmanager
    async def live(subject: Subject) -> AsyncIterator[None]:
        if library is None:
            yield
            return
        going = await library.chosen(lambda db: erased_documents(db, subject))
        library.let_go(going)
        yield

    return EraseHook("documents", ("documents", "document_bytes"), erase_documents, live)


def answer_hook() -> EraseHook:
    """Return how answers that cite what is forgotten go; it comes before the documents themselves."""
    return EraseHook("answers", (), lambda db, subject: erase_citing(db, erased_documents(db, subject)))


def erase_documents(db: apsw.Connection, subject: Subject) -> int:
    """Delete a person's documents, one of them, or those named after a topic; return how many."""
    return sum(rows.remove(db, document) for document in erased_documents(db, subject))


def erased_documents(db: apsw.Connection, subject: Subject) -> list[str]:
    """Return the ids of the documents that go.

    What the household shares stays when a person leaves. A topic takes the documents along that carry
    it in their name or title: one word of it in a long manual is no reason to lose the manual.
    """
    match subject:
        case Person(principal=who):
            return [document.id for document in rows.own(db, who)]
        case Document(id=identity, principal=who):
            found = rows.by_id(db, identity)
            return [identity] if found is not None and found.principal in {who, HOUSEHOLD} else []
        case Topic(principal=who):
            return [
                document.id
                for document in rows.own(db, who)
                if subject.mentioned_in(f"{document.name} {document.title}")
            ]
        case Sessions() | Memory() | Old():
            return []
