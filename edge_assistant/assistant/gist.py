"""The gist of messages that no prompt holds any more, in the words of whoever wrote them.

Sentences are chosen, none is made up: a small model asked for a summary invents about as much as it
keeps (docs/benchmarks.md). Nothing of it is stored: it is made anew from the messages, so that what is
forgotten of them is gone from it too, and the same messages always give the same gist.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from edge_assistant.memory.statement import statements

LEAST_CHARACTERS = 12
MOST_CHARACTERS = 160
"""Shorter sentences say nothing, longer ones are cut."""

TOLD, DETAILED, ASKED, SAID = 4, 3, 2, 1
"""How much a sentence counts: it tells of the speaker's world, names something, asks, or none of it."""

_SENTENCES = re.compile(r"(?<=[.!?])\s+|\n+")
_DETAIL = re.compile(r"\d|(?<=[\w,;:] )[A-ZÄÖÜ][a-zäöüß]{2,}")
_PASTED = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)


class _Line(NamedTuple):
    weight: int
    place: int
    """Counted from the oldest: what was said later counts more among equals."""
    text: str


def gist(messages: Iterable[str], characters: int) -> str:
    """Return what matters most of the messages, oldest first, in at most `characters`; may be empty."""
    kept: list[_Line] = []
    left = characters
    for line in sorted(_lines(messages), reverse=True):
        if len(line.text) + 1 <= left:
            kept.append(line)
            left -= len(line.text) + 1
    return " ".join(line.text for line in sorted(kept, key=lambda line: line.place))


def _lines(messages: Iterable[str]) -> Iterator[_Line]:
    """Yield each sentence once; of two that can't both be true only the later one."""
    latest: dict[str, _Line] = {}
    for place, sentence in enumerate(_sentences(messages)):
        told = statements(sentence)
        weight = TOLD if told else _weight(sentence)
        key = next((each.slot for each in told if each.slot), "") or sentence.lower()
        latest[key] = _Line(weight, place, sentence)
    return iter(latest.values())


def _weight(sentence: str) -> int:
    if _DETAIL.search(sentence):
        return DETAILED
    return ASKED if sentence.endswith("?") else SAID


def _sentences(messages: Iterable[str]) -> Iterator[str]:
    for message in messages:
        for part in _SENTENCES.split(_PASTED.sub(" ", message)):
            sentence = " ".join(part.split())
            if len(sentence) >= LEAST_CHARACTERS:
                yield _cut(sentence)


def _cut(sentence: str) -> str:
    if len(sentence) > MOST_CHARACTERS:
        return sentence[:MOST_CHARACTERS].rsplit(" ", 1)[0] + " …"
    return sentence if sentence[-1] in ".!?…" else sentence + "."


def lead(messages: Sequence[str], characters: int) -> str:
    """Return what stands before the first message that is left; empty when nothing was left out."""
    said = gist(messages, characters)
    return f"(What I said earlier, in short: {said})\n\n" if said else ""
