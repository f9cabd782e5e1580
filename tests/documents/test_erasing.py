"""Forgetting takes a person's documents along, and nobody else's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest

from edge_assistant.assistant.events import Source
from edge_assistant.documents import rows
from edge_assistant.documents.document import HOUSEHOLD, Document
from edge_assistant.documents.erasing import answer_hook, document_hook
from edge_assistant.documents.library import Library, Reader
from edge_assistant.memory.conversations import Conversations
from edge_assistant.memory.embedding import NoEmbedder
from edge_assistant.memory.search import SearchIndex
from edge_assistant.store import erase
from edge_assistant.store.database import Database
from edge_assistant.store.keys import KeyRing

ANN, BOB = "ann", "bob"


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    file = tmp_path / "state" / "assistant.db"
    database = await Database.open(file, KeyRing(file.parent, {}).open(file).data_key)
    await database.write(_fill)
    yield database
    await database.close()


def _fill(db: apsw.Connection) -> None:
    for identity, principal, name in [
        ("tax", ANN, "Tax return.pdf"),
        ("diary", ANN, "diary.md"),
        ("bobs", BOB, "Tax return.pdf"),
        ("boiler", HOUSEHOLD, "boiler.pdf"),
    ]:
        document = Document(
            id=identity, principal=principal, origin=f"file:/{identity}", name=name,
            state="ready", added_at=0.0, changed_at=0.0,
        )  # fmt: skip
        rows.put(db, document)
        rows.add_bytes(db, identity, b"text")


@pytest.mark.parametrize(
    ("subject", "left"),
    [
        (erase.Person(ANN), {"bobs", "boiler"}),
        (erase.Topic("tax", ANN), {"diary", "bobs", "boiler"}),
        (erase.Document("diary", ANN), {"tax", "bobs", "boiler"}),
        (erase.Document("boiler", ANN), {"tax", "diary", "bobs"}),
        (erase.Document("bobs", ANN), {"tax", "diary", "bobs", "boiler"}),
        (erase.Document("no such", ANN), {"tax", "diary", "bobs", "boiler"}),
        (erase.Sessions(("one",)), {"tax", "diary", "bobs", "boiler"}),
    ],
)
async def test_what_is_forgotten_goes_with_its_bytes(
    database: Database, subject: erase.Subject, left: set[str]
) -> None:
    erased = await database.write(lambda db: document_hook(None).rows(db, subject))
    assert erased == 4 - len(left)
    for query in ("SELECT id FROM documents", "SELECT document FROM document_bytes"):
        found = await database.read(lambda db, query=query: {row[0] for row in db.execute(query)})
        assert found == left


async def test_answers_that_cite_what_is_forgotten_go_and_no_others(database: Database) -> None:
    conversations = Conversations(database)
    cited = {"both": ["tax", "boiler"], "boiler": ["boiler"], "bobs": ["bobs"], "none": []}
    for turn, documents in cited.items():
        await conversations.ensure_session(f"s-{turn}", ANN)
        await conversations.begin_turn(turn, f"s-{turn}", ANN, f"a question for {turn}")
        sources = [Source(n=n, kind="document", source=each) for n, each in enumerate(documents, start=1)]
        sources.append(Source(n=9, kind="memory", source="diary"))
        await conversations.finish_turn(turn, "It stands there.", (), "", "complete", sources=sources)
    hook = answer_hook()

    async def left_after(subject: erase.Subject) -> set[str]:
        def work(db: apsw.Connection) -> set[str]:
            hook.rows(db, subject)
            return {str(row[0]) for row in db.execute("SELECT id FROM turns")}

        return await database.write(work)

    assert await left_after(erase.Document("bobs", ANN)) == set(cited), "it is not hers to forget"
    assert await left_after(erase.Document("diary", ANN)) == set(cited), (
        "a memory of that name is another thing"
    )
    assert await left_after(erase.Topic("tax", ANN)) == {"boiler", "bobs", "none"}
    assert await left_after(erase.Document("boiler", ANN)) == {"bobs", "none"}


async def test_a_document_that_is_being_read_is_let_go(database: Database) -> None:
    library = Library(database, SearchIndex(database, NoEmbedder("m")), max_bytes=1)
    told: list[str] = []
    library.when_removed(told.append)
    hook = document_hook(library)
    assert hook.live is not None
    async with hook.live(erase.Person(ANN)):
        assert sorted(told) == ["diary", "tax"], "before the rows go: nothing is put in afterwards"
        await database.write(lambda db: hook.rows(db, erase.Person(ANN)))
    assert [document.id for document in await library.page(Reader(ANN))] == ["boiler"]
