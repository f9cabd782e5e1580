"""From hits of the search index to passages that can be cited."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from edge_assistant.documents.document import HOUSEHOLD, SOURCE, Document, Found
from edge_assistant.memory.index_rows import load_hits
from edge_assistant.memory.index_types import Detail, Hit
from edge_assistant.memory.words import WORD


def found_in(hit: Hit, words: Sequence[str] = ()) -> Found:
    """Return a hit as a passage; `words` are the telling ones of the question."""
    details = hit.metadata
    heading, lead = below(hit.title, str(details.get("heading") or "")), int(details.get("lead") or 0)
    there = {word.lower() for word in WORD.findall(hit.text)}
    return Found(
        document=hit.ref,
        title=hit.title,
        text=hit.text[lead:],
        where=where_of(
            int(details.get("page") or 0), int(details.get("last_page") or 0), heading, details.get("second")
        ),
        page=int(details.get("page") or 0),
        heading=heading,
        url=str(details.get("url") or ""),
        shared=hit.principal == HOUSEHOLD,
        position=hit.position,
        written_at=hit.created_at,
        similarity=hit.similarity,
        overlap=sum(word in there for word in words) / len(words) if words else 0.0,
    )


def below(title: str, heading: str) -> str:
    """Return a path of headings without the title of the whole, which often is the first of them."""
    first, _, rest = heading.partition(" › ")
    return rest if first == title else heading


def where_of(page: int, last_page: int, heading: str, second: Detail = None) -> str:
    """Return the place of a passage as people read it."""
    pages = f"pages {page}–{last_page}" if last_page > page else f"page {page}" if page else ""
    moment = clock(second) if isinstance(second, int) else ""
    return ", ".join(part for part in (moment, pages, heading) if part)


def clock(second: int) -> str:
    """Return a place in a recording as players show it: `2:05`, `1:02:05`."""
    minutes, rest = divmod(second, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def passages_from(db: apsw.Connection, document: Document, start: int, k: int) -> list[Found]:
    """Return `k` passages of a document from place `start` on."""
    query = """
        SELECT c.id FROM index_chunks c JOIN index_items i ON i.id = c.item
        JOIN index_spaces s ON s.id = i.space
        WHERE s.source = ? AND s.principal = ? AND i.ref = ? AND c.position >= ? ORDER BY c.position LIMIT ?
    """
    chosen = [int(row[0]) for row in db.execute(query, (SOURCE, document.principal, document.id, start, k))]
    hits = load_hits(db, dict.fromkeys(chosen, 0.0), {})
    return [found_in(hit) for hit in sorted(hits, key=lambda hit: hit.position)]
