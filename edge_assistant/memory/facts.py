"""What is remembered of people: learnt, recalled, corrected, forgotten.

A fact and its words stand in the store in one transaction and can be found at once; its vector
follows before the method returns, or in the background when the embedder is away. Every method takes
the principal, and other people's private facts don't exist for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import apsw
import msgspec

from edge_assistant.errors import EdgeError, UsageError
from edge_assistant.memory import fact_rows as rows
from edge_assistant.memory import index_rows, recall
from edge_assistant.memory.conversation_rows import storable
from edge_assistant.memory.fact import FACT_CHARACTERS, Fact, Provenance, Recalled
from edge_assistant.memory.index_types import Filters
from edge_assistant.memory.search import SearchIndex
from edge_assistant.memory.statement import Statement, statements
from edge_assistant.people.person import HOUSEHOLD_ID
from edge_assistant.store.database import Database

logger = logging.getLogger(__name__)

CONSIDERED = 100
"""Facts that a search proposes, of which the best are told."""

EMBEDDER_SECONDS = 3.0
"""How long a question waits for an embedder that must be started first; then words alone decide."""

QUESTION_CHARACTERS = 500
"""Of a question that a correction answers."""


class Facts:
    """The facts in the store and their entries in the search index."""

    def __init__(self, database: Database, index: SearchIndex) -> None:
        self._database = database
        self._index = index

    async def learn(
        self,
        principal: str,
        found: Sequence[Statement],
        provenance: Provenance = Provenance(),  # noqa: B008
    ) -> list[Fact]:
        """Remember what a person said, in order; raises MEMORY_FULL."""

        def work(db: apsw.Connection) -> tuple[list[Fact], rows.Added]:
            facts, added = [], []
            for statement in found:
                fact, chunks = rows.learn(db, principal, statement, provenance)
                facts.append(fact)
                added += chunks
            return facts, added

        if not found:
            return []
        facts, added = await self._database.write(work)
        logger.info("learnt %d facts", len(facts))
        await self._index.embed_added(added)
        return facts

    async def recall(
        self, principal: str, question: str, *, household: bool, k: int, tokens: int
    ) -> list[Recalled]:
        """Return the facts that help with a question, the best first; none when none fits well.

        `household` lets those in that everybody here may know.
        """
        found, by_words = await self._find(principal, question, household=household)
        return recall.choose(found, recall.bar(question, by_words=by_words), k, tokens)

    async def search(self, principal: str, text: str, k: int = 20) -> list[Recalled]:
        """Return what fits a search of a person's memory, the best first, whatever it scores."""
        found, _ = await self._find(principal, text, household=await self._lives_here(principal))
        return sorted(found, key=lambda each: -each.score)[:k]

    async def _find(self, principal: str, question: str, *, household: bool) -> tuple[list[Recalled], bool]:
        """Return the facts that may fit with their scores, and whether words alone made them."""
        owner = "" if principal == HOUSEHOLD_ID else principal
        filters = Filters(principal=owner, shared=household, sources=(rows.SOURCE,))
        if not await self._database.read(lambda db: _any(db, filters)):
            return [], False  # then no embedder is started either
        text = storable(question[:2_000])
        vector = await self._vector(text)
        hits = await self._index.search_vector(text, vector, filters, CONSIDERED)
        similarity = {hit.ref: hit.similarity for hit in hits}
        by_words = vector is None

        def work(db: apsw.Connection) -> list[Recalled]:
            facts = rows.candidates(db, list(similarity), principal, household=household)
            return [
                Recalled(
                    fact=fact,
                    score=recall.score(text, fact, similarity.get(fact.id, 0.0), by_words=by_words),
                )
                for fact in facts
            ]

        return await self._database.read(work), by_words

    async def _vector(self, text: str) -> bytes | None:
        try:
            async with asyncio.timeout(EMBEDDER_SECONDS):
                return await self._index.embedder.embed_query(text)
        except (EdgeError, TimeoutError) as error:
            logger.warning("recalling by words only: %s", getattr(error, "code", "the embedder is slow"))
            return None

    async def _lives_here(self, principal: str) -> bool:
        query = "SELECT EXISTS (SELECT 1 FROM users WHERE id = ? AND role <> 'guest')"
        return bool(await self._database.read(lambda db: db.execute(query, (principal,)).get))

    async def known(self, principal: str, *, replaced: bool = False) -> list[Fact]:
        """Return what a person may see, the last said first; with `replaced` also what no longer holds."""
        return await self._database.read(lambda db: rows.visible(db, principal, replaced=replaced))

    async def of(self, principal: str) -> list[Fact]:
        """Return everything that a person said, also what no longer holds, the oldest first."""
        return await self._database.read(lambda db: rows.own(db, principal))

    async def add(self, principal: str, text: str, *, shared: bool = False) -> list[Fact]:
        """Remember what a person typed into their memory; raises FACT_EMPTY, FACT_TOO_LONG, MEMORY_FULL."""
        found = [
            msgspec.structs.replace(each, origin="asked", shared=each.shared or shared)
            for each in _read(text)
        ]
        return await self.learn(principal, found, Provenance(source="memory"))

    async def correct(self, principal: str, fact_id: str, text: str) -> Fact:
        """Let a fact say something else; the old one can be brought back with `undo`.

        Raises FACT_NOT_FOUND, FACT_EMPTY, FACT_TOO_LONG.
        """
        statement = _read(text)[0]

        def work(db: apsw.Connection) -> tuple[Fact, rows.Added]:
            old = rows.find(db, fact_id, principal)
            if old.replaced_by is not None:
                raise UsageError("FACT_REPLACED", "this memory was replaced already: correct the newer one")
            new = msgspec.structs.replace(
                statement, origin="corrected", shared=old.shared, slot=statement.slot or old.slot
            )
            if rows.gist(new.text) == rows.gist(old.text) and new.slot == old.slot:
                raise UsageError("FACT_UNCHANGED", "this memory says that already")
            return rows.learn(db, old.principal, new, Provenance(source="memory"), [old.id])

        fact, added = await self._database.write(work)
        await self._index.embed_added(added)
        return fact

    async def answer(self, principal: str, question: str, right: str, provenance: Provenance) -> list[Fact]:
        """Remember the right answer to a question that was answered wrongly.

        It is read like something said; what is no statement of its own is kept with its question.
        Raises FACT_EMPTY, FACT_TOO_LONG.
        """
        found = [msgspec.structs.replace(each, origin="corrected") for each in statements(f"No, {right}")]
        if not found:
            clean, asked = _clean(right), " ".join(storable(question[:QUESTION_CHARACTERS]).split())
            text = f"The right answer to “{asked}” is: {clean}"
            found = [Statement(text=text, slot=f"answer {rows.gist(asked)}", origin="corrected")]
        return await self.learn(principal, found, provenance)

    async def undo(self, principal: str, fact_id: str) -> list[Fact]:
        """Take a fact back and return those that hold again; raises FACT_NOT_FOUND."""
        facts, added = await self._database.write(lambda db: rows.undo(db, fact_id, principal))
        await self._index.embed_added(added)
        await self._database.checkpoint()
        return facts

    async def share(self, principal: str, fact_id: str, *, shared: bool) -> Fact:
        """Let everybody who lives here know a fact, or nobody else any more.

        Raises FACT_NOT_FOUND, and FORBIDDEN-like FACT_NOT_SHARED for guests, whose facts stay theirs.
        """
        if shared and not await self._lives_here(principal):
            raise UsageError("FACT_NOT_SHARED", "only people who live here can share what they said")
        fact, added = await self._database.write(lambda db: rows.share(db, fact_id, principal, shared=shared))
        await self._index.embed_added(added)
        return fact

    async def forget(self, principal: str, fact_ids: Sequence[str]) -> int:
        """Erase facts with all that they took the place of; return how many. Raises FACT_NOT_FOUND."""

        def work(db: apsw.Connection) -> int:
            for fact_id in fact_ids:
                rows.find(db, fact_id, principal)
            return rows.remove(db, fact_ids)

        gone = await self._database.write(work)
        await self._database.checkpoint()
        return gone

    async def forget_turn(self, turn_id: str, principal: str) -> None:
        """Erase what was learnt from a turn that its person took back."""
        query = "SELECT id FROM facts WHERE turn = ? AND principal = ?"

        def work(db: apsw.Connection) -> int:
            found = [str(row[0]) for row in db.execute(query, (turn_id, principal))]
            return sum(len(rows.undo(db, each, principal)[0]) for each in found)

        await self._database.write(work)


def _any(db: apsw.Connection, filters: Filters) -> bool:
    spaces = ",".join(str(space) for space in index_rows.visible_spaces(db, filters))
    query = f"SELECT EXISTS (SELECT 1 FROM index_items WHERE space IN ({spaces}))"  # noqa: S608 - numbers
    return bool(spaces and db.execute(query).get)


def _read(text: str) -> list[Statement]:
    """Return the statements of a text that was typed to be remembered, or the text as one."""
    clean = _clean(text)
    return statements(f"Remember that {clean}") or [Statement(text=clean, origin="asked")]


def _clean(text: str) -> str:
    clean = " ".join(storable(text[: 2 * FACT_CHARACTERS + 1]).replace("\0", " ").split())
    if not clean:
        raise UsageError("FACT_EMPTY", "there is nothing to remember: write a sentence")
    if len(clean) > FACT_CHARACTERS:
        raise UsageError(
            "FACT_TOO_LONG", f"a memory has at most {FACT_CHARACTERS} characters: split it or shorten it"
        )
    return clean
