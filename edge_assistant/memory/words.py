"""The lexical half of a search: which words of a question are worth looking for, and where they are."""

from __future__ import annotations

import re
from collections.abc import Iterable

import apsw

WORD = re.compile(r"\w+", re.UNICODE)

WORDS_LOOKED_AT = 48
"""Different words of a question that are considered; more is no question."""

FREQUENT_SHARE = 0.1
FREQUENT_LEAST = 20
FREQUENT_MOST = 2000
"""A word in more than a tenth of all chunks says little and costs most: it is left out, at the latest
from 2,000 chunks on. Ranking an OR of eight words over 100,000 chunks took 140 ms with all of them
and 10 ms without the frequent ones (docs/benchmarks.md)."""


def telling_words(db: apsw.Connection, question: str) -> list[str]:
    """Return the words of `question` that few chunks have and at least one."""
    largest = db.execute("SELECT coalesce(max(id), 0) FROM index_chunks").get
    limit = min(FREQUENT_MOST, max(FREQUENT_LEAST, int(largest * FREQUENT_SHARE)))
    words = list(dict.fromkeys(WORD.findall(question.lower())))[:WORDS_LOOKED_AT]
    return [word for word in words if 0 < _count(db, word, limit + 1) <= limit]


def _count(db: apsw.Connection, word: str, most: int) -> int:
    """Return in how many chunks a word is, counting no further than `most`."""
    query = "SELECT count(*) FROM (SELECT 1 FROM index_words WHERE index_words MATCH ? LIMIT ?)"
    return int(db.execute(query, (quoted(word), most)).get)


def quoted(word: str) -> str:
    """Return a word as FTS5 takes it for a plain word."""
    return '"' + word.replace('"', '""') + '"'


def best_by_words(
    db: apsw.Connection, words: Iterable[str], spaces: Iterable[int], *, k: int, chosen: str | None
) -> list[int]:
    """Return up to `k` chunks of `spaces` that have these words, the best first.

    The best of all are looked at first; only when too few of them may be seen, each match is.
    """
    match = " OR ".join(quoted(word) for word in words)
    if not match:
        return []
    allowed = f"i.space IN ({','.join(str(int(space)) for space in spaces)})"
    if chosen:
        allowed += f" AND c.id IN ({chosen})"
    first = f"""
        SELECT c.id FROM
        (SELECT rowid, rank FROM index_words WHERE index_words MATCH ? ORDER BY rank LIMIT ?) w
        JOIN index_chunks c ON c.id = w.rowid JOIN index_items i ON i.id = c.item
        WHERE {allowed} ORDER BY w.rank LIMIT ?
    """  # noqa: S608 - numbers and queries of ours
    looked_at = 4 * k
    found = [int(row[0]) for row in db.execute(first, (match, looked_at, k))]
    if len(found) >= k:
        return found
    return [int(row[0]) for row in db.execute(first, (match, -1, k))]
