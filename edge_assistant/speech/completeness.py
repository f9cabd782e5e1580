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


_CONJUNCTIONS = {
    "en": "and or but because cause if when while although unless until than plus um uh uhm erm",
    "de": "und oder aber weil denn wenn als dass ob äh ähm",
    "fr": "et ou mais parce que car si quand euh",
    "es": "y o pero porque si cuando que eh",
    "it": "e o ma perché se quando che ehm",
    "nl": "en of maar omdat want als dat eh uhm",
}
"""Words that only join, and hesitations."""

_OPEN_WORDS = {
    "en": "the a an my your our their its every er hmm mm like",
    "de": "der die das den dem ein eine einen einem mein dein sein hm also",
    "fr": "le la les un une des du mon ma mes ton ta hum donc",
    "es": "el la los las un una mi tu este pues",
    "it": "il la lo i gli le un una mio tuo allora",
    "nl": "de het een mijn jouw",
}
"""More words after which nobody who has finished falls silent."""

_LEADING_WORDS = {
    "en": "to of for with from at into about between",
    "de": "für von zu bei",
    "fr": "de à pour",
}
"""Prepositions: they may end a question ("what is it for?"), but no statement."""

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")


def conjunctions(language: str) -> tuple[str, ...]:
    """Return the words that join, as they are written in the middle of a sentence."""
    return tuple(_CONJUNCTIONS.get(_short(language), "").split())


def completeness(text: str, language: str = "en") -> Completeness:
    """Return how finished `text` looks; `language` as in `assistant.language`."""
    stripped = text.strip()
    words = _WORD.findall(stripped.lower())
    if not words:
        return Completeness.UNKNOWN
    last, short = words[-1], _short(language)
    open_words = (*conjunctions(short), *_OPEN_WORDS.get(short, "").split())
    if stripped.endswith(("...", "…", ",", "-", "–", ":")) or last in open_words:
        return Completeness.UNFINISHED
    if stripped.endswith("?"):
        return Completeness.QUESTION
    if last in _LEADING_WORDS.get(short, "").split():
        return Completeness.UNFINISHED
    return Completeness.SENTENCE if stripped.endswith((".", "!", "。", "！")) else Completeness.UNKNOWN


def _short(language: str) -> str:
    return language.split("-", maxsplit=1)[0]
