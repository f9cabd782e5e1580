"""Which of the facts that a search found are worth telling the model. Pure; the figures were measured.

A vector of a small embedder tells near from far but has no zero: two sentences about nothing in
common still have a cosine of 0.1 to 0.3. So a fact must pass a bar, which is lower when the question
is about whoever asks, and words in common count besides.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from edge_assistant.memory.fact import Fact, Recalled
from edge_assistant.memory.fact_rows import gist
from edge_assistant.memory.statement import alias_of

WORD_SHARE = 0.25
"""How much all words of a question in common are worth, next to a cosine of 1."""

BAR = 0.64
BAR_PERSONAL = 0.3
BAR_WORDS = 0.5
"""Score that a fact needs: for any question, for one about the asker, and without vectors, where the
score is the share of words in common. Chosen on questions other than those of `bench retrieval`."""

NEAR_BEST = 0.5
"""A fact below this share of the best one's score is left out: it would only distract a small model."""

CHARACTERS_PER_TOKEN = 3.5
"""Of English; a bound rather than a mean, as the daemon has no tokeniser."""

_PERSONAL = re.compile(r"\b(?:i|i'm|i've|i'd|me|my|mine|myself|our|ours|us|we)\b", re.IGNORECASE)
_ORDER = re.compile(
    r"\b(?:tell|give|show|read|play|sing|write|explain|help|let|wake|remind) (?:me|us)\b", re.IGNORECASE
)
"""Says who is to be served, not whom it is about."""
_ASKING = frozenset(
    re.findall(
        r"\w+",
        "what who whom whose where when why how which do does did can could would should will shall may "
        "might tell say know remember remind there any some if or about again please you your me he she "
        "they his her their as by from get got s",
    )
)
_ENDINGS = re.compile(r"(?:'s|ies|ing|ed|es|s|e|y)$")
_SHORT = 4


def is_personal(question: str) -> bool:
    """Return whether a question is about whoever asks it."""
    return bool(_PERSONAL.search(_ORDER.sub(" ", question.replace("’", "'"))))


def stems(text: str) -> frozenset[str]:
    """Return the words that carry a text, without their endings."""
    words = (word for word in gist(text).split() if word not in _ASKING)
    return frozenset(_ENDINGS.sub("", word) if len(word) > _SHORT else word for word in words)


def uses_name(question: str, name: str) -> bool:
    """Return whether a question uses a name that somebody explained."""
    return re.search(rf"\b{re.escape(name)}\b", question, re.IGNORECASE) is not None


def score(question: str, fact: Fact, similarity: float, *, by_words: bool) -> float:
    """Return how well a fact fits, from 0 to 1; `similarity` is the cosine, unknown when `by_words`.

    A name that somebody explained fits when it is used, and only then.
    """
    if name := alias_of(fact.slot):
        return float(uses_name(question, name))
    wanted = stems(question)
    shared = len(wanted & stems(fact.text)) / len(wanted) if wanted else 0.0
    if by_words:
        return shared
    return max(0.0, similarity + WORD_SHARE * shared) / (1 + WORD_SHARE)


def bar(question: str, *, by_words: bool) -> float:
    """Return the score that a fact needs to be told."""
    if by_words:
        return BAR_WORDS
    return (BAR_PERSONAL if is_personal(question) else BAR) / (1 + WORD_SHARE)


def choose(found: Sequence[Recalled], least: float, k: int, tokens: int) -> list[Recalled]:
    """Return the best facts above the bar: at most `k`, and of about `tokens` tokens together."""
    ordered = sorted(found, key=lambda each: (-each.score, -each.fact.said_at))
    least = max(least, NEAR_BEST * ordered[0].score) if ordered else least
    chosen: list[Recalled] = []
    left = tokens
    for each in ordered:
        cost = round(len(each.fact.text) / CHARACTERS_PER_TOKEN) + 1
        if each.score >= least and len(chosen) < k and cost <= left:
            chosen.append(each)
            left -= cost
    return chosen
