"""Joins the beginning of an answer with what another model writes after it. Pure.

Some servers go on in mid-word, others say the last words again or begin anew. What is repeated is
dropped, so that a person reads every word once.
"""

from __future__ import annotations

import re

LONGEST = 400
"""Characters of a continuation that are compared at most with what was there before."""

_WORDS = 3
_CHARACTERS = 16
"""So much must be the same to count as repeated: a word may well come twice in a row."""

_WORD = re.compile(r"\w+")


class Seam:
    """Takes a continuation in pieces and returns what of it is new.

    While the pieces could still turn out to be a repetition they are held back; `finish` returns the
    rest of what was held. Joined to nothing it returns everything at once.
    """

    def __init__(self, before: str) -> None:
        self._before = before
        self._tail = before[-LONGEST:]
        self._whole = before.lstrip()
        self._held = ""
        self._open = bool(before)
        """Whether it is still to be seen if something is repeated."""

    def feed(self, text: str) -> str:
        """Take a piece; return what can be shown."""
        if not self._open:
            return text
        self._held += text
        return "" if self._may_repeat() else self._settle()

    def finish(self) -> str:
        """Return what was held back to the end of the continuation."""
        return self._settle() if self._open else ""

    def _may_repeat(self) -> bool:
        held = self._held.lstrip()
        if self._whole.startswith(held):
            return True
        if len(self._held) >= LONGEST:
            return False
        return any(each in self._tail[:-1] for each in (held, self._held))

    def _settle(self) -> str:
        self._open = False
        held, self._held = self._held, ""
        return held[self._repeated(held) :]

    def _repeated(self, held: str) -> int:
        """Return how many characters say again what was said."""
        blank = len(held) - len(held.lstrip())
        again = _common(self._whole, held[blank:])
        if again == len(self._whole) or _counts(held[blank : blank + again]):
            return blank + again
        for start in (0, blank):
            for length in range(min(len(self._tail), len(held) - start), 0, -1):
                same = held[start : start + length]
                if self._tail.endswith(same) and _counts(same) and self._at_word(length):
                    return start + length
        return 0

    def _at_word(self, length: int) -> bool:
        """Return whether the last `length` characters begin with a word or between words."""
        begin = len(self._tail) - length
        return begin == 0 or not (self._tail[begin - 1].isalnum() and self._tail[begin].isalnum())


def _common(one: str, two: str) -> int:
    length = 0
    for a, b in zip(one, two, strict=False):
        if a != b:
            break
        length += 1
    return length


def _counts(text: str) -> bool:
    return len(text) >= _CHARACTERS and len(_WORD.findall(text)) >= _WORDS
