"""Questions and changes to the table of facts, each inside a transaction of the caller."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Sequence
from typing import Any, Literal

import apsw
import msgspec

from edge_assistant.errors import EdgeError, UsageError
from edge_assistant.memory import index_rows
from edge_assistant.memory.conversation_queries import LIVES_HERE
from edge_assistant.memory.fact import Fact, Provenance
from edge_assistant.memory.index_types import Chunk, Item
from edge_assistant.memory.statement import CONFIDENCE, Statement, ended_of
from edge_assistant.people.person import HOUSEHOLD_ID

SOURCE = "memory"
"""As what facts stand in the search index."""

MOST_FACTS = 5_000
"""Of one person. More is no memory of somebody but a log."""

Added = list[tuple[int, str]]
"""New chunks of the index that wait for vectors."""

COLUMNS = (
    "id, principal, shared, text, slot, origin, confidence, session, turn, source, created_at, said_at, "
    "times, replaced_by, (SELECT count(*) FROM facts old WHERE old.replaced_by = facts.id)"
)

VISIBLE = f"(principal = :who OR (shared AND {LIVES_HERE}))"
"""Which facts a person sees: their own, and shared ones when they live here."""

CHANGEABLE = f"(principal = :who OR (principal = '{HOUSEHOLD_ID}' AND {LIVES_HERE}))"
"""Which facts a person may change: their own, and what nobody in particular said in this house."""

_WORD = re.compile(r"[\w']+")
_SMALL_WORDS = frozenset(
    _WORD.findall(
        "a an the is are am was were be to of at in on for with and i'm i've i me my our we have has now "
        "really very always just called named name it that this so do"
    )
)


def gist(text: str) -> str:
    """Return the words that carry a sentence, in their order: the same for two ways to say one thing."""
    words = [word.removesuffix("'s") for word in _WORD.findall(text.lower().replace("’", "'"))]
    return " ".join(word for word in words if word not in _SMALL_WORDS) or " ".join(words)


def find(db: apsw.Connection, fact_id: str, who: str, which: str = CHANGEABLE) -> Fact:
    """Return a fact that `who` may change, or see with `VISIBLE`; raises FACT_NOT_FOUND."""
    query = f"SELECT {COLUMNS} FROM facts WHERE id = :id AND {which}"  # noqa: S608 - constants
    row = db.execute(query, {"id": fact_id, "who": who}).fetchone()
    if row is None:
        raise EdgeError("FACT_NOT_FOUND", "there is no such memory; `memory list` names those there are")
    return fact_of(row)


def visible(db: apsw.Connection, who: str, *, replaced: bool = False, limit: int = MOST_FACTS) -> list[Fact]:
    """Return what `who` may see, the last said first; with `replaced` also what no longer holds."""
    query = f"""
        SELECT {COLUMNS} FROM facts WHERE {VISIBLE} AND (:replaced OR replaced_by IS NULL)
        ORDER BY said_at DESC, id LIMIT :limit
    """  # noqa: S608 - constants
    names = {"who": who, "replaced": replaced, "limit": limit}
    return [fact_of(row) for row in db.execute(query, names)]


def own(db: apsw.Connection, who: str) -> list[Fact]:
    """Return everything that `who` said, also what no longer holds, the oldest first."""
    query = f"SELECT {COLUMNS} FROM facts WHERE principal = ? ORDER BY created_at"  # noqa: S608 - constants
    return [fact_of(row) for row in db.execute(query, (who,))]


def candidates(db: apsw.Connection, found: Sequence[str], who: str, *, household: bool) -> list[Fact]:
    """Return those of the facts found that hold and that `who` may be told, and all names explained."""
    query = f"""
        SELECT {COLUMNS} FROM facts
        WHERE replaced_by IS NULL AND (principal = :who OR (shared AND :household))
        AND (id IN (SELECT value FROM json_each(:found)) OR slot GLOB 'alias *')
    """  # noqa: S608 - constants
    names = {"who": who, "household": household, "found": msgspec.json.encode(found).decode()}
    return [fact_of(row) for row in db.execute(query, names)]


def learn(
    db: apsw.Connection, who: str, statement: Statement, provenance: Provenance, replaces: Sequence[str] = ()
) -> tuple[Fact, Added]:
    """Store what was said: again, instead of something else, or as something new.

    `replaces` names further facts whose place it takes. Raises MEMORY_FULL.
    """
    shared = statement.shared or who == HOUSEHOLD_ID
    query = f"""
        SELECT {COLUMNS} FROM facts WHERE principal = ? AND gist = ? AND slot = ? AND replaced_by IS NULL
    """  # noqa: S608 - constants
    said = gist(statement.text)
    row = db.execute(query, (who, said, statement.slot)).fetchone()
    if row is not None:
        return _say_again(db, fact_of(row), statement, shared=shared)
    if db.execute("SELECT count(*) FROM facts WHERE principal = ?", (who,)).get >= MOST_FACTS:
        raise UsageError("MEMORY_FULL", f"at most {MOST_FACTS:,} memories a person: forget some of them")
    fact_id = uuid.uuid4().hex
    older = [*replaces, *_contradicted(db, who, statement)]
    now = time.time()
    db.execute(
        "INSERT INTO facts(id, principal, shared, text, slot, gist, origin, confidence, session, turn, "
        "source, created_at, said_at) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            fact_id, who, shared, statement.text, statement.slot, said, statement.origin,
            CONFIDENCE[statement.origin], provenance.session, provenance.turn, provenance.source, now, now,
        ),
    )  # fmt: skip
    for old in dict.fromkeys(older):
        db.execute("UPDATE facts SET replaced_by = ? WHERE id = ?", (fact_id, old))
        _leave_index(db, old)
    fact = find(db, fact_id, who)
    return fact, enter_index(db, fact)


def _say_again(db: apsw.Connection, fact: Fact, statement: Statement, *, shared: bool) -> tuple[Fact, Added]:
    confidence = max(fact.confidence, CONFIDENCE[statement.origin])
    db.execute(
        "UPDATE facts SET said_at = ?, times = times + 1, confidence = ? WHERE id = ?",
        (time.time(), confidence, fact.id),
    )
    return share(db, fact.id, fact.principal, shared=fact.shared or shared)


def _contradicted(db: apsw.Connection, who: str, statement: Statement) -> list[str]:
    """Return the facts of `who` that can't hold any longer once the statement does."""
    found: list[str] = []
    if statement.slot:
        query = "SELECT id FROM facts WHERE principal = ? AND slot = ? AND replaced_by IS NULL"
        found += [str(row[0]) for row in db.execute(query, (who, statement.slot))]
    if statement.ended:
        query = "SELECT id FROM facts WHERE principal = ? AND gist = ? AND replaced_by IS NULL"
        found += [str(row[0]) for row in db.execute(query, (who, gist(ended_of(statement.text))))]
    return found


def share(db: apsw.Connection, fact_id: str, who: str, *, shared: bool) -> tuple[Fact, Added]:
    """Let everybody who lives here know a fact, or nobody else any more; raises FACT_NOT_FOUND."""
    before = find(db, fact_id, who)
    if before.shared == shared:
        return before, []
    db.execute("UPDATE facts SET shared = ? WHERE id = ?", (shared, fact_id))
    _leave_index(db, fact_id)
    fact = find(db, fact_id, who)
    return fact, enter_index(db, fact) if fact.replaced_by is None else []


def undo(db: apsw.Connection, fact_id: str, who: str) -> tuple[list[Fact], Added]:
    """Take a fact back and let those hold again whose place it took; raises FACT_NOT_FOUND."""
    find(db, fact_id, who)
    query = "UPDATE facts SET replaced_by = NULL WHERE replaced_by = ? RETURNING id"
    again = [str(row[0]) for row in db.execute(query, (fact_id,)).fetchall()]
    remove(db, [fact_id])
    facts = [find(db, old, who) for old in again]
    return facts, [chunk for fact in facts for chunk in enter_index(db, fact)]


def remove(db: apsw.Connection, fact_ids: Sequence[str]) -> int:
    """Delete facts with all that they took the place of; return how many are gone."""
    before = int(db.execute("SELECT count(*) FROM facts").get)
    for fact_id in fact_ids:
        _leave_index(db, fact_id)
        db.execute("DELETE FROM facts WHERE id = ?", (fact_id,))
    return before - int(db.execute("SELECT count(*) FROM facts").get)


def ids(db: apsw.Connection, column: Literal["principal", "session"], value: str) -> list[str]:
    """Return the facts of a person, or of a conversation."""
    rows = db.execute(f"SELECT id FROM facts WHERE {column} = ?", (value,))  # noqa: S608 - a constant
    return [str(row[0]) for row in rows]


def changeable(db: apsw.Connection, fact_id: str, who: str) -> list[str]:
    """Return the fact's id when it is there and `who` may change it."""
    query = f"SELECT id FROM facts WHERE id = :id AND {CHANGEABLE}"  # noqa: S608 - constants
    return [str(row[0]) for row in db.execute(query, {"id": fact_id, "who": who})]


def enter_index(db: apsw.Connection, fact: Fact) -> Added:
    """Make a fact that holds findable."""
    item = Item(
        source=SOURCE,
        ref=fact.id,
        principal="" if fact.shared else fact.principal,
        type="alias" if fact.slot.startswith("alias ") else "fact",
        created_at=fact.said_at,
    )
    return index_rows.replace(db, item, [Chunk(fact.text)])[1]


def _leave_index(db: apsw.Connection, fact_id: str) -> None:
    query = """
        DELETE FROM index_items WHERE ref = ? AND space IN (SELECT id FROM index_spaces WHERE source = ?)
    """
    db.execute(query, (fact_id, SOURCE))


def fact_of(row: Sequence[Any]) -> Fact:
    """Return the fact in a row of COLUMNS."""
    (
        fact_id, principal, shared, text, slot, origin, confidence, session, turn, source, created_at,
        said_at, times, replaced_by, replaces,
    ) = row  # fmt: skip
    return Fact(
        id=fact_id, principal=principal, shared=bool(shared), text=text, slot=slot, origin=origin,
        confidence=confidence, session=session, turn=turn, source=source, created_at=created_at,
        said_at=said_at, times=times, replaced_by=replaced_by, replaces=replaces,
    )  # fmt: skip
