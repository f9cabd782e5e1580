"""The part of a passage that a person wants to hear: its own words, never changed."""

from __future__ import annotations

import re

LONGEST = 420
"""Half a minute of speech, a third of a phone's screen."""

_SENTENCE = re.compile(r"[^\n]+?(?:[.!?…](?=\s)|[。！？]|(?=\n)|\Z)", re.DOTALL)
_WORD = re.compile(r"\w+")
_SHORTEST_WORD = 3


def excerpt(text: str, question: str, longest: int = LONGEST) -> str:
    """Return the sentences of `text` in a row that hold most of the question's words, the first such.

    The whole text when it is no longer than `longest` characters. A single sentence is never cut.
    """
    text = text.strip()
    if len(text) <= longest:
        return text
    wanted = _stems(question)
    spans = [found.span() for found in _SENTENCE.finditer(text) if found[0].strip()]
    best, best_worth = spans[0], -1
    for first in range(len(spans)):
        for last in range(first, len(spans)):
            start, end = spans[first][0], spans[last][1]
            if last > first and end - start > longest:
                break
            worth = len(wanted & _stems(text[start:end]))
            if worth > best_worth:
                best, best_worth = (start, end), worth
    return _with_what_follows(text, spans, best, longest)


def _with_what_follows(text: str, spans: list[tuple[int, int]], best: tuple[int, int], longest: int) -> str:
    """Go on while there is room: what a sentence begins, the next one often ends."""
    start, end = best
    for span in spans:
        if span[0] >= end and span[1] - start <= longest:
            end = span[1]
    return text[start:end].strip()


def _stems(text: str) -> set[str]:
    return {word[:6] for word in _WORD.findall(text.lower()) if len(word) >= _SHORTEST_WORD}
