"""Between table rows and the types of conversations, and what may go into a row."""

from __future__ import annotations

import re
import sys
from array import array
from collections.abc import Sequence
from typing import Any

import msgspec

from edge_assistant.errors import UsageError
from edge_assistant.memory.conversation import Session, StoredTurn

ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}", re.ASCII)
TITLE_CHARACTERS = 60
RENAMED_CHARACTERS = 200
TITLE_SOURCE_CHARACTERS = 2000

TURN_COLUMNS = (
    "id, session, status, user_text, answer_text, token_ids, model, route, timings, usage, "
    "error_code, created_at, finished_at, sources"
)


def check_id(value: str) -> str:
    """Return `value` when it may name a session or a turn; else raise BAD_ID."""
    if not ID.fullmatch(value):
        raise UsageError("BAD_ID", "an id has 1 to 64 letters, digits or any of _ . : -")
    return value


def storable(text: str) -> str:
    """Return `text` as UTF-8 can carry it: surrogate pairs joined, lone surrogates as U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def title_of(text: str) -> str:
    """Return a title for a conversation that starts with `text`: its first words on one line."""
    line = _one_line(storable(text[:TITLE_SOURCE_CHARACTERS]))
    if len(line) <= TITLE_CHARACTERS:
        return line
    cut = line[: TITLE_CHARACTERS + 1]
    words = cut.rsplit(" ", 1)[0] if " " in cut else cut[:TITLE_CHARACTERS]
    return words.rstrip(" ,.;:-") + "…"


def clean_title(title: str) -> str:
    """Return a title as a person gave it, on one line and not too long."""
    return _one_line(storable(title))[:RENAMED_CHARACTERS]


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def pack_ids(token_ids: Sequence[int]) -> bytes:
    """Return token ids as little-endian 32-bit numbers."""
    return _little_endian(array("I", token_ids)).tobytes()


def unpack_ids(packed: bytes) -> tuple[int, ...]:
    """Return what `pack_ids` packed."""
    ids = array("I")
    ids.frombytes(packed)
    return tuple(_little_endian(ids))


def _little_endian(ids: array[int]) -> array[int]:
    if sys.byteorder == "big":
        ids.byteswap()
    return ids


def pack_details(details: object | None) -> str | None:
    """Return a JSON-able struct as JSON text; None stays None."""
    return None if details is None else msgspec.json.encode(details).decode()


def session_of(row: Sequence[Any]) -> Session:
    """Return the session in a row of SESSION_QUERY."""
    session_id, title, created_at, updated_at, turns, visibility, began_by = row
    return Session(
        id=session_id,
        title=title,
        created_at=created_at,
        updated_at=updated_at,
        turns=turns,
        visibility=visibility,
        began_by=began_by,
    )


def turn_of(row: Sequence[Any]) -> StoredTurn:
    """Return the turn in a row of TURN_COLUMNS."""
    turn_id, session, status, user_text, answer_text, ids, model, route, timings, usage, *rest = row
    error_code, created_at, finished_at, sources = rest
    return StoredTurn(
        turn_id=turn_id,
        session=session,
        status=status,
        user_text=user_text,
        answer_text=answer_text,
        token_ids=unpack_ids(ids),
        model=model,
        route=_details(route),
        timings=_details(timings),
        usage=_details(usage),
        sources=() if sources is None else msgspec.json.decode(sources, type=tuple[dict[str, Any], ...]),
        error_code=error_code,
        created_at=created_at,
        finished_at=finished_at,
    )


def _details(text: str | None) -> dict[str, Any] | None:
    return None if text is None else msgspec.json.decode(text, type=dict[str, Any])
