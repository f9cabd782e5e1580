"""Conversations, facts and their words and vectors: this room's share of forgetting."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager

import apsw
import msgspec

from edge_assistant.memory import fact_rows, index_rows
from edge_assistant.people.person import HOUSEHOLD_ID
from edge_assistant.store.erase import Document, EraseHook, Memory, Old, Person, Sessions, Subject, Topic

Live = Callable[[Subject], AbstractAsyncContextManager[None]]


def conversation_hook(live: Live | None = None) -> EraseHook:
    """Return how sessions and turns are forgotten; `live` ends running answers and drops their KV."""
    tables = ("sessions", "turns", "turn_words", "turn_words_*")
    return EraseHook("messages", tables, erase_conversations, live)


def fact_hook(live: Live | None = None) -> EraseHook:
    """Return how facts are forgotten; `live` waits for what is being learnt."""
    return EraseHook("memories", ("facts",), erase_facts, live)


def index_hook() -> EraseHook:
    """Return how whatever is left of a person in the search index is forgotten; it comes last."""
    tables = (
        "index_spaces", "index_items", "index_chunks", "index_words", "index_words_*", "index_bits_*",
        "index_vectors_*", "index_pending_*",
    )  # fmt: skip
    return EraseHook("passages", tables, erase_index)


def erase_conversations(db: apsw.Connection, subject: Subject) -> int:
    """Delete turns, and sessions that belong to the subject; return how many turns.

    Each conversation that could have read what is forgotten gets a new key: its KV on disk is noise.
    """
    touched = touched_sessions(db, subject)
    turns = list(_turns(db, subject))
    titles = _titles(db, subject, turns)
    db.executemany("DELETE FROM turns WHERE id = ?", [(turn,) for turn in turns])
    if isinstance(subject, Person):
        db.execute("DELETE FROM sessions WHERE principal = ?", (subject.principal,))
    if isinstance(subject, Sessions):
        db.executemany("DELETE FROM sessions WHERE id = ?", [(each,) for each in subject.ids])
    if isinstance(subject, Old):
        empty = "DELETE FROM sessions WHERE updated_at < ? AND id NOT IN (SELECT session FROM turns)"
        db.execute(empty, (subject.turns_before,))
    db.executemany("UPDATE sessions SET title = '' WHERE id = ?", [(each,) for each in titles])
    renew = "UPDATE sessions SET snapshot_key = randomblob(32) WHERE id = ?"
    db.executemany(renew, [(each,) for each in touched])
    return len(turns)


def erase_citing(db: apsw.Connection, documents: Sequence[str]) -> int:
    """Delete the turns whose answers cite one of these documents, and may quote it; return how many.

    The KV of their conversations is for the caller to make noise of.
    """
    query = """
        DELETE FROM turns WHERE sources IS NOT NULL AND EXISTS (
            SELECT 1 FROM json_each(turns.sources) s JOIN json_each(?) d ON d.value = s.value ->> 'source'
            WHERE s.value ->> 'kind' = 'document'
        ) RETURNING id
    """
    return len(db.execute(query, (msgspec.json.encode(documents).decode(),)).fetchall()) if documents else 0


def touched_sessions(db: apsw.Connection, subject: Subject) -> list[str]:
    """Return the sessions whose KV may hold something of the subject."""
    match subject:
        case Sessions(ids):
            return list(ids)
        case Document():
            query = "SELECT id FROM sessions"
            return _column(db.execute(query))
        case Old(turns_before=before):
            return _column(db.execute("SELECT DISTINCT session FROM turns WHERE created_at < ?", (before,)))
        case Person(principal=who) | Topic(principal=who) | Memory(principal=who):
            query = """
                SELECT id FROM sessions WHERE principal = ?1 OR visibility = 'household'
                UNION SELECT session FROM turns WHERE said_by = ?1
            """
            return _column(db.execute(query, (who,)))


def _turns(db: apsw.Connection, subject: Subject) -> Iterable[str]:
    """Return the ids of the turns that go, those of sessions that go as a whole among them."""
    match subject:
        case Person(principal=who):
            query = """
                SELECT id FROM turns WHERE said_by = ?1
                OR session IN (SELECT id FROM sessions WHERE principal = ?1)
            """
            return _column(db.execute(query, (who,)))
        case Sessions(ids):
            query = "SELECT id FROM turns WHERE session IN (SELECT value FROM json_each(?))"
            return _column(db.execute(query, (msgspec.json.encode(ids).decode(),)))
        case Topic():
            return [turn for turn, text in _texts(db, subject) if subject.mentioned_in(text)]
        case Old(turns_before=before):
            return _column(db.execute("SELECT id FROM turns WHERE created_at < ?", (before,)))
        case Document() | Memory():
            return []


def _texts(db: apsw.Connection, topic: Topic) -> list[tuple[str, str]]:
    query = """
        SELECT id, user_text || ' ' || answer_text FROM turns WHERE said_by = ?1
        OR session IN (SELECT id FROM sessions WHERE principal = ?1)
    """
    return [(str(turn), str(text)) for turn, text in db.execute(query, (topic.principal,))]


def _titles(db: apsw.Connection, subject: Subject, turns: Sequence[str]) -> list[str]:
    """Return the sessions whose title goes: it is the beginning of a message that goes."""
    if not turns:
        return []
    query = """
        SELECT DISTINCT s.id FROM turns t JOIN sessions s ON s.id = t.session
        WHERE t.id IN (SELECT value FROM json_each(?)) AND s.title <> ''
        AND t.seq = (SELECT min(seq) FROM turns WHERE session = s.id)
    """
    found = _column(db.execute(query, (msgspec.json.encode(turns).decode(),)))
    if isinstance(subject, Topic):
        named = db.execute("SELECT id, title FROM sessions WHERE principal = ?", (subject.principal,))
        found += [str(session) for session, title in named if subject.mentioned_in(str(title))]
    return found


def erase_facts(db: apsw.Connection, subject: Subject) -> int:
    """Delete facts with all that they took the place of; return how many."""
    match subject:
        case Person(principal=who):
            found = fact_rows.ids(db, "principal", who)
        case Sessions(ids):
            found = [fact for session in ids for fact in fact_rows.ids(db, "session", session)]
        case Topic(principal=who):
            found = [fact.id for fact in fact_rows.own(db, who) if subject.mentioned_in(fact.text)]
        case Old(facts_before=before):
            found = _column(db.execute("SELECT id FROM facts WHERE said_at < ?", (before,)))
        case Memory(id=identity, principal=who):
            found = fact_rows.changeable(db, identity, who)
        case Document():
            found = []
    return fact_rows.remove(db, found)


def erase_index(db: apsw.Connection, subject: Subject) -> int:
    """Delete what is left of a person in the index: of any source, with words and vectors."""
    if not isinstance(subject, Person) or subject.principal == HOUSEHOLD_ID:
        return 0
    left = index_rows.remove_space(db, subject.principal)
    db.execute("DELETE FROM index_spaces WHERE principal = ?", (subject.principal,))
    return left


def _column(rows: Iterable[Sequence[object]]) -> list[str]:
    return [str(row[0]) for row in rows]
