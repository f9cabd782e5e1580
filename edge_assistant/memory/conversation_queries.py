"""Questions and changes to the tables of conversations, each inside a transaction of the caller."""

from __future__ import annotations

import secrets
import time

import apsw

from edge_assistant.errors import EdgeError, ForbiddenError
from edge_assistant.memory.conversation import Session, StoredTurn, TurnStatus, Visibility
from edge_assistant.memory.conversation_rows import TURN_COLUMNS, session_of, storable, title_of, turn_of
from edge_assistant.people.person import HOUSEHOLD_ID

SESSION_QUERY = """
    SELECT id, title, created_at, updated_at,
        (SELECT count(*) FROM turns WHERE turns.session = sessions.id), visibility, principal FROM sessions
"""

LIVES_HERE = "EXISTS (SELECT 1 FROM users WHERE users.id = :who AND role <> 'guest')"
"""By the people's own table: a role that changed counts at once, and no caller can claim one."""

VISIBLE = f"(principal = :who OR (visibility = 'household' AND {LIVES_HERE}))"
"""Which sessions a person sees: their own, and those of the household when they live here."""

ERASABLE = (
    "(principal = :who OR (visibility = 'household' AND "
    "EXISTS (SELECT 1 FROM users WHERE users.id = :who AND role = 'owner')))"
)
"""Which sessions a person may erase: their own, and those of the household when they are its owner."""

IN_CONTEXT = """
    WHERE turns.session = ? AND status <> 'running' AND answer_text <> ''
    AND seq >= (SELECT context_start FROM sessions WHERE sessions.id = turns.session)
"""


def no_session() -> EdgeError:
    """Return the error of a session that is not there or somebody else's."""
    return EdgeError("SESSION_NOT_FOUND", "there is no such conversation; start a new one")


def belongs(db: apsw.Connection, session_id: str, principal_id: str) -> bool:
    """Return whether this person sees the session."""
    query = f"SELECT 1 FROM sessions WHERE id = :session AND {VISIBLE}"  # noqa: S608 - constants
    return db.execute(query, {"session": session_id, "who": principal_id}).fetchone() is not None


def find_session(db: apsw.Connection, session_id: str, principal_id: str) -> Session:
    """Return a session that this person sees; raises SESSION_NOT_FOUND."""
    names = {"session": storable(session_id), "who": principal_id}
    row = db.execute(f"{SESSION_QUERY} WHERE id = :session AND {VISIBLE}", names).fetchone()
    if row is None:
        raise no_session()
    return session_of(row)


def insert_missing_session(db: apsw.Connection, session_id: str, principal_id: str) -> Session:
    """Return the session of this person, made when the id is free; raises SESSION_NOT_FOUND."""
    if db.execute("SELECT 1 FROM sessions WHERE id = ?", (session_id,)).fetchone() is not None:
        return find_session(db, session_id, principal_id)
    return insert_session(db, session_id, principal_id, "")


def insert_session(db: apsw.Connection, session_id: str, principal_id: str, title: str) -> Session:
    """Add a session with a fresh snapshot key; what nobody in particular began is the household's."""
    now = time.time()
    visibility: Visibility = "household" if principal_id == HOUSEHOLD_ID else "private"
    db.execute(
        "INSERT INTO sessions(id, principal, title, snapshot_key, created_at, updated_at, visibility) "
        "VALUES(?, ?, ?, ?, ?, ?, ?)",
        (session_id, principal_id, title, secrets.token_bytes(32), now, now, visibility),
    )
    return find_session(db, session_id, principal_id)


def check_erasable(db: apsw.Connection, session_id: str, principal_id: str) -> None:
    """Raise SESSION_NOT_FOUND, or SESSION_NOT_YOURS when a person sees a session and can't erase it."""
    find_session(db, session_id, principal_id)
    query = f"SELECT 1 FROM sessions WHERE id = :session AND {ERASABLE}"  # noqa: S608 - constants
    if db.execute(query, {"session": session_id, "who": principal_id}).fetchone() is None:
        raise ForbiddenError("SESSION_NOT_YOURS", "only who began this conversation or the owner may do that")


def find_turn(db: apsw.Connection, turn_id: str) -> StoredTurn | None:
    """Return a turn, whoever it belongs to, or None."""
    row = db.execute(f"SELECT {TURN_COLUMNS} FROM turns WHERE id = ?", (storable(turn_id),)).fetchone()  # noqa: S608
    return None if row is None else turn_of(row)


def owned(db: apsw.Connection, turn: StoredTurn, principal_id: str) -> StoredTurn:
    """Return `turn` when this person sees its session; else raise TURN_NOT_FOUND."""
    if not belongs(db, turn.session, principal_id):
        raise EdgeError("TURN_NOT_FOUND", "there is no such turn; send the message under a new id")
    return turn


def drop_turns_from(db: apsw.Connection, turn_id: str, session_id: str) -> list[str]:
    """Erase a turn of the session and all after it, and return their ids; none when it isn't there."""
    query = (
        "DELETE FROM turns WHERE session = ?1 AND seq >= "
        "(SELECT seq FROM turns WHERE id = ?2 AND session = ?1) RETURNING id"
    )
    return [str(row[0]) for row in db.execute(query, (session_id, storable(turn_id))).fetchall()]


def insert_turn(
    db: apsw.Connection, turn_id: str, session_id: str, text: str, who: str, *, route: str | None = None
) -> StoredTurn:
    """Add a running turn at the end of its session, which takes its title from the first one."""
    now = time.time()
    status: TurnStatus = "running"
    db.execute(
        "INSERT INTO turns(id, session, status, user_text, created_at, said_by, route) VALUES(?,?,?,?,?,?,?)",
        (turn_id, session_id, status, text, now, who, route),
    )
    db.execute(
        "UPDATE sessions SET updated_at = ?, title = iif(title = '', ?, title) WHERE id = ?",
        (now, title_of(text), session_id),
    )
    return StoredTurn(turn_id=turn_id, session=session_id, status=status, user_text=text, created_at=now)
