"""Whether what was recognised so far looks like all that a person wants to say."""

from __future__ import annotations

import re
from enum import Enum


class Completeness(Enum):
    """How finished a partial transcript looks, from the shortest wait to the longest."""

    QUESTION = "question"
    SENTENCE = "sentence"
    UNKNOWN = "unknown"
    """Nothing recognised yet, or an engine that writes no punctuation."""
    UNFINISHED = "unfinished"
    """It ends on a conjunction, an article, a hesitation or dots."""


_OPEN_WORDS = {
    "en": "and or but because cause if when while although unless until than plus the a an my your our their "
    "its every um uh uhm erm er hmm mm like",
    "de": "und oder aber weil denn wenn als dass ob der die das den dem ein eine einen einem mein dein sein "
    "äh ähm hm also",
    "fr": "et ou mais parce que car si quand le la les un une des du mon ma mes ton ta euh hum donc",
    "es": "y o pero porque si cuando que el la los las un una mi tu eh este pues",
    "it": "e o ma perché se quando che il la lo i gli le un una mio tuo ehm allora",
    "nl": "en of maar omdat want als dat de het een mijn jouw eh uhm",
}
"""Words after which nobody who has finished falls silent."""

_LEADING_WORDS = {
    "en": "to of for with from at into about between",
    "de": "für von zu bei",
    "fr": "de à pour",
}
"""Prepositions: they may end a question ("what is it for?"), but no statement."""

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")


def completeness(text: str, language: str = "en") -> Completeness:
    """Return how finished `text` looks; `language` as in `assistant.language`."""
    stripped = text.strip()
    words = _WORD.findall(stripped.lower())
    if not words:
        return Completeness.UNKNOWN
    last, short = words[-1], language.split("-", maxsplit=1)[0]
    if stripped.endswith(("...", "…", ",", "-", "–", ":")) or last in _OPEN_WORDS.get(short, "").split():
        return Completeness.UNFINISHED
    if stripped.endswith("?"):
        return Completeness.QUESTION
    if last in _LEADING_WORDS.get(short, "").split():
        return Completeness.UNFINISHED
    return Completeness.SENTENCE if stripped.endswith((".", "!", "。", "！")) else Completeness.UNKNOWN
