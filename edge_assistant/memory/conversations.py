"""Conversations in the encrypted store.

Every method that a person's request reaches takes the principal and answers as if other people's
sessions didn't exist. Each session row holds the key of its KV snapshots: deleting the row turns
them into noise.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Sequence
from typing import Literal, cast

import apsw

from edge_assistant.errors import EdgeError, ForbiddenError, UsageError
from edge_assistant.memory.conversation import BeganTurn, Session, StoredTurn, Visibility
from edge_assistant.memory.conversation_queries import (
    IN_CONTEXT,
    LIVES_HERE,
    SESSION_QUERY,
    VISIBLE,
    belongs,
    check_erasable,
    drop_turns_from,
    find_session,
    find_turn,
    insert_missing_session,
    insert_session,
    insert_turn,
    no_session,
    owned,
)
from edge_assistant.memory.conversation_rows import (
    TURN_COLUMNS,
    check_id,
    clean_title,
    pack_details,
    pack_ids,
    session_of,
    storable,
    turn_of,
)
from edge_assistant.memory.conversation_search import Hit, find_words
from edge_assistant.memory.erasing import touched_sessions
from edge_assistant.store.database import Database
from edge_assistant.store.erase import Subject

logger = logging.getLogger(__name__)

LISTED = 200
SHOWN = 50

EndedStatus = Literal["complete", "interrupted", "truncated", "failed"]


class Conversations:
    """Sessions and turns, stored durably before each method returns."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.shared: set[str] = set()
        """Sessions that the household sees; complete after `recover`."""

    async def create_session(self, principal_id: str, title: str = "") -> Session:
        """Begin a session of `principal_id` under a new id."""
        session_id = uuid.uuid4().hex
        clean = clean_title(title)
        return self._noted(
            await self._database.write(lambda db: insert_session(db, session_id, principal_id, clean))
        )

    async def ensure_session(self, session_id: str, principal_id: str) -> Session:
        """Return the session with the client's id, made when there is none.

        Raises BAD_ID, and SESSION_NOT_FOUND when the id is somebody else's.
        """
        check_id(session_id)
        try:
            return await self.session(session_id, principal_id)
        except EdgeError:
            return self._noted(
                await self._database.write(lambda db: insert_missing_session(db, session_id, principal_id))
            )

    def _noted(self, session: Session) -> Session:
        (self.shared.add if session.visibility == "household" else self.shared.discard)(session.id)
        return session

    async def sessions(self, principal_id: str, limit: int = LISTED) -> list[Session]:
        """Return the sessions that `principal_id` sees, the newest used first."""
        query = f"{SESSION_QUERY} WHERE {VISIBLE} ORDER BY updated_at DESC, rowid DESC LIMIT :limit"
        values = {"who": principal_id, "limit": limit}
        rows = await self._database.read(lambda db: db.execute(query, values).fetchall())
        return [session_of(row) for row in rows]

    async def session(self, session_id: str, principal_id: str) -> Session:
        """Return one session; raises SESSION_NOT_FOUND."""
        return await self._database.read(lambda db: find_session(db, session_id, principal_id))

    async def rename(self, session_id: str, principal_id: str, title: str) -> Session:
        """Give a session another title; raises TITLE_EMPTY, SESSION_NOT_FOUND."""
        clean = clean_title(title)
        if not clean:
            raise UsageError("TITLE_EMPTY", "a title needs at least one visible character")

        def work(db: apsw.Connection) -> Session:
            find_session(db, session_id, principal_id)
            db.execute("UPDATE sessions SET title = ? WHERE id = ?", (clean, session_id))
            return find_session(db, session_id, principal_id)

        return await self._database.write(work)

    async def share(self, session_id: str, principal_id: str, visibility: Visibility) -> Session:
        """Let the household see a session, or nobody else any more.

        Only who began it may, and only who lives here may share: raises SESSION_NOT_FOUND,
        SESSION_NOT_YOURS.
        """
        statement = f"""
            UPDATE sessions SET visibility = :visibility WHERE id = :session AND principal = :who
            AND (:visibility = 'private' OR {LIVES_HERE})
        """  # noqa: S608 - constants

        def work(db: apsw.Connection) -> Session:
            find_session(db, session_id, principal_id)
            db.execute(statement, {"visibility": visibility, "session": session_id, "who": principal_id})
            if not db.changes():
                raise ForbiddenError("SESSION_NOT_YOURS", "only who began this conversation may share it")
            return find_session(db, session_id, principal_id)

        return self._noted(await self._database.write(work))

    async def check_erasable(self, session_id: str, principal_id: str) -> None:
        """Raise SESSION_NOT_FOUND or SESSION_NOT_YOURS when a person may not erase a session."""
        await self._database.read(lambda db: check_erasable(db, session_id, principal_id))

    async def delete_session(self, session_id: str, principal_id: str) -> None:
        """Erase a session with its turns and snapshot key; raises SESSION_NOT_FOUND, SESSION_NOT_YOURS."""

        def work(db: apsw.Connection) -> None:
            check_erasable(db, session_id, principal_id)
            db.execute("DELETE FROM sessions WHERE id = ?", (session_id,))

        await self._database.write(work)
        self.shared.discard(session_id)
        await self._database.checkpoint()

    async def touched(self, subject: Subject) -> list[str]:
        """Return the sessions whose KV may hold something of what is to be forgotten."""
        return await self._database.read(lambda db: touched_sessions(db, subject))

    async def begin_turn(
        self,
        turn_id: str,
        session_id: str,
        principal_id: str,
        text: str,
        replaces: str = "",
        *,
        route: object | None = None,
    ) -> BeganTurn:
        """Store a person's message durably, once; a known id returns its turn and stores nothing.

        With `replaces`, the id of an earlier turn, that one and all after it are erased. The first
        message of a session without a title gives it one. `route` is what stands while there is no answer,
        also when a crash cuts the turn off. Raises BAD_ID, SESSION_NOT_FOUND, and
        TURN_NOT_FOUND when the id is somebody else's.
        """
        check_id(turn_id)
        clean = storable(text)

        def work(db: apsw.Connection) -> BeganTurn:
            known = find_turn(db, turn_id)
            if known is not None:
                return BeganTurn(new=False, turn=owned(db, known, principal_id))
            find_session(db, session_id, principal_id)
            if replaces:
                check_erasable(db, session_id, principal_id)
            replaced = drop_turns_from(db, replaces, session_id) if replaces else []
            turn = insert_turn(db, turn_id, session_id, clean, principal_id, route=pack_details(route))
            return BeganTurn(new=True, turn=turn, replaced=tuple(replaced))

        return await self._database.write(work)

    async def finish_turn(
        self,
        turn_id: str,
        text: str,
        token_ids: Sequence[int],
        model: str,
        status: EndedStatus,
        *,
        route: object | None = None,
        timings: object | None = None,
        usage: object | None = None,
        sources: Sequence[object] = (),
        error_code: str | None = None,
    ) -> bool:
        """Store how a turn ended; False when it was deleted meanwhile.

        `route`, `timings`, `usage` and each source are structs or dictionaries that JSON can carry.
        """
        now = time.time()
        values = (
            status, storable(text), pack_ids(token_ids), model, pack_details(route), pack_details(timings),
            pack_details(usage), pack_details(sources or None), error_code, now, turn_id,
        )  # fmt: skip

        def work(db: apsw.Connection) -> bool:
            db.execute(
                "UPDATE turns SET status = ?, answer_text = ?, token_ids = ?, model = ?, route = ?, "
                "timings = ?, usage = ?, sources = ?, error_code = ?, finished_at = ? WHERE id = ?",
                values,
            )
            found = db.changes() > 0
            query = "UPDATE sessions SET updated_at = ? WHERE id = (SELECT session FROM turns WHERE id = ?)"
            db.execute(query, (now, turn_id))
            return found

        return await self._database.write(work)

    async def keep_part(
        self, turn_id: str, text: str, *, route: object | None = None, sources: Sequence[object] = ()
    ) -> None:
        """Store how far the answer of a turn has got that is still going on, and what it stands on."""
        query = "UPDATE turns SET answer_text = ?, route = ?, sources = ? WHERE id = ? AND status = 'running'"
        values = (storable(text), pack_details(route), pack_details(sources or None), turn_id)
        await self._database.write(lambda db: db.execute(query, values))

    async def shorten_turn(self, turn_id: str, text: str) -> None:
        """Replace a finished answer by the part of it that was heard; it then counts as interrupted."""
        values = (storable(text), pack_ids(()), turn_id)
        query = (
            "UPDATE turns SET status = 'interrupted', answer_text = ?, token_ids = ? "
            "WHERE id = ? AND status IN ('complete', 'truncated', 'interrupted')"
        )
        await self._database.write(lambda db: db.execute(query, values))

    async def turn(self, turn_id: str, principal_id: str) -> StoredTurn | None:
        """Return a turn of `principal_id`, or None."""

        def work(db: apsw.Connection) -> StoredTurn | None:
            found = find_turn(db, turn_id)
            return found if found and belongs(db, found.session, principal_id) else None

        return await self._database.read(work)

    async def history(self, session_id: str) -> list[StoredTurn]:
        """Return the turns that a prompt may hold, oldest first: answered ones since the context start.

        Running turns and turns without a word of answer are not among them.
        """
        query = f"SELECT {TURN_COLUMNS} FROM turns {IN_CONTEXT} ORDER BY seq"  # noqa: S608 - constants
        rows = await self._database.read(lambda db: db.execute(query, (session_id,)).fetchall())
        return [turn_of(row) for row in rows]

    async def left_out(self, session_id: str, most: int) -> list[str]:
        """Return the latest messages that `history` no longer holds, oldest first.

        Like there, what was never answered is not among them.
        """
        query = """
            SELECT user_text FROM turns WHERE session = ?1 AND answer_text <> ''
            AND seq < (SELECT context_start FROM sessions WHERE id = ?1) ORDER BY seq DESC LIMIT ?2
        """
        rows = await self._database.read(lambda db: db.execute(query, (session_id, most)).fetchall())
        return [str(row[0]) for row in reversed(rows)]

    async def all_turns(self, session_id: str) -> list[StoredTurn]:
        """Return all turns of a session, oldest first, also those that no prompt holds any more."""
        query = f"SELECT {TURN_COLUMNS} FROM turns WHERE session = ? ORDER BY seq"  # noqa: S608 - constants
        rows = await self._database.read(lambda db: db.execute(query, (session_id,)).fetchall())
        return [turn_of(row) for row in rows]

    async def drop_turns(self, session_id: str, count: int) -> None:
        """Let `history` start `count` of its turns later, for good; the transcript keeps them."""
        query = f"""
            UPDATE sessions SET context_start = coalesce(
                (SELECT seq + 1 FROM turns {IN_CONTEXT} ORDER BY seq LIMIT 1 OFFSET ?),
                (SELECT max(seq) + 1 FROM turns {IN_CONTEXT}),
                context_start
            ) WHERE id = ?
        """  # noqa: S608 - constants
        if count > 0:
            values = (session_id, count - 1, session_id, session_id)
            await self._database.write(lambda db: db.execute(query, values).fetchall())

    async def transcript(
        self, session_id: str, principal_id: str, limit: int = SHOWN, before: str | None = None
    ) -> list[StoredTurn]:
        """Return the last `limit` turns, or the last before the turn `before`, oldest first.

        Raises SESSION_NOT_FOUND.
        """
        query = f"""
            SELECT {TURN_COLUMNS} FROM turns WHERE session = ?1
            AND (?2 IS NULL OR seq < (SELECT seq FROM turns WHERE id = ?2 AND session = ?1))
            ORDER BY seq DESC LIMIT ?3
        """  # noqa: S608 - constants

        values = (session_id, before and storable(before), limit)

        def work(db: apsw.Connection) -> list[StoredTurn]:
            find_session(db, session_id, principal_id)
            return [turn_of(row) for row in db.execute(query, values)]

        return (await self._database.read(work))[::-1]

    async def transcript_after(
        self, session_id: str, principal_id: str, after: str | None, limit: int
    ) -> list[StoredTurn]:
        """Return the first `limit` turns, or the first after the turn `after`, oldest first.

        Raises SESSION_NOT_FOUND.
        """
        query = f"""
            SELECT {TURN_COLUMNS} FROM turns WHERE session = ?1
            AND (?2 IS NULL OR seq > (SELECT seq FROM turns WHERE id = ?2 AND session = ?1))
            ORDER BY seq LIMIT ?3
        """  # noqa: S608 - constants

        def work(db: apsw.Connection) -> list[StoredTurn]:
            find_session(db, session_id, principal_id)
            return [turn_of(row) for row in db.execute(query, (session_id, after, limit))]

        return await self._database.read(work)

    async def latest(self, principal_id: str, limit: int) -> list[StoredTurn]:
        """Return the newest turns of all sessions that a person sees, the newest first."""
        query = f"""
            SELECT {TURN_COLUMNS} FROM turns
            WHERE session IN (SELECT id FROM sessions WHERE {VISIBLE}) ORDER BY seq DESC LIMIT :limit
        """  # noqa: S608 - constants
        names = {"who": principal_id, "limit": limit}
        rows = await self._database.read(lambda db: db.execute(query, names).fetchall())
        return [turn_of(row) for row in rows]

    async def search(self, principal_id: str, text: str, limit: int = SHOWN) -> list[Hit]:
        """Return the sessions of a person in which all words of `text` stand, the newest place first."""
        return await self._database.read(lambda db: find_words(db, principal_id, text, limit))

    async def snapshot_key(self, session_id: str) -> bytes:
        """Return the 32 bytes that encrypt this session's KV on disk; raises SESSION_NOT_FOUND."""
        query = "SELECT snapshot_key FROM sessions WHERE id = ?"
        rows = await self._database.read(lambda db: db.execute(query, (session_id,)).fetchall())
        if not rows:
            raise no_session()
        return cast(bytes, rows[0][0])

    async def look_up_shared(self) -> None:
        """Read anew which sessions the household sees."""
        query = "SELECT id FROM sessions WHERE visibility = 'household'"
        shared = await self._database.read(lambda db: db.execute(query).fetchall())
        self.shared = {str(row[0]) for row in shared}

    async def recover(self) -> int:
        """Mark the turns that a crash cut off as interrupted and return how many; call once at start."""
        await self.look_up_shared()
        query = (
            "UPDATE turns SET status = 'interrupted', finished_at = ? WHERE status = 'running' RETURNING id"
        )
        now = time.time()
        rows = await self._database.write(lambda db: db.execute(query, (now,)).fetchall())
        if rows:
            logger.info("%d turns were cut off by the last stop", len(rows))
        return len(rows)
