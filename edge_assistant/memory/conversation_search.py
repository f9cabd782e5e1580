"""Words in conversations: where a person or the assistant said them."""

from __future__ import annotations

import re
from typing import Any

import apsw
import msgspec

from edge_assistant.memory.conversation_queries import VISIBLE

MOST_WORDS = 12
MOST_TURNS = 200
"""Turns looked at for one question, newest first; a word that is everywhere must not cost a full scan."""

HIT_BEGIN, HIT_END = "\x02", "\x03"
"""Around each hit in a snippet. Who shows one treats them as marks; a text that holds them breaks nothing."""

_WORD = re.compile(r"\w+")

_IN_TURNS = f"""
    SELECT turns.session, sessions.title, turns.id, turns.created_at,
        snippet(turn_words, -1, '{HIT_BEGIN}', '{HIT_END}', '…', 14)
    FROM turn_words JOIN turns ON turns.seq = turn_words.rowid JOIN sessions ON sessions.id = turns.session
    WHERE turn_words MATCH :words AND {VISIBLE} ORDER BY turn_words.rowid DESC LIMIT {MOST_TURNS}
"""  # noqa: S608 - constants

_IN_TITLES = f"""
    SELECT id, title, '', updated_at, '' FROM sessions
    WHERE {VISIBLE} AND title LIKE :like ESCAPE '\\' ORDER BY updated_at DESC LIMIT {MOST_TURNS}
"""  # noqa: S608 - constants


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation in which the words stand, with the newest place. `at` is in UNIX seconds."""

    session: str
    title: str
    turn: str
    """Empty when only the title has them."""
    at: float
    snippet: str
    """Some words around the hit, which stands between HIT_BEGIN and HIT_END."""


def find_words(db: apsw.Connection, principal_id: str, text: str, limit: int) -> list[Hit]:
    """Return the conversations a person sees that hold all words of `text`, the last one as a beginning."""
    words = _WORD.findall(text)[:MOST_WORDS]
    if not words:
        return []
    hits: dict[str, Hit] = {}
    match = " ".join(f'"{word}"' for word in words) + "*"
    names = {"words": match, "like": _like(text), "who": principal_id}
    rows: list[Any] = db.execute(_IN_TURNS, names).fetchall()
    rows += db.execute(_IN_TITLES, names).fetchall()
    for session, title, turn, at, snippet in rows:
        hits.setdefault(
            session, Hit(session=session, title=title, turn=turn, at=at, snippet=" ".join(snippet.split()))
        )
    return sorted(hits.values(), key=lambda hit: -hit.at)[:limit]


def _like(text: str) -> str:
    escaped = re.sub(r"([%_\\])", r"\\\1", text.strip())
    return f"%{escaped}%"
