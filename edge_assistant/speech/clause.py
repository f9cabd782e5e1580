"""Cuts an answer that is still being written into pieces that can be spoken one after the other.

The first piece is short, so that the voice begins early: it ends at the first comma or sentence end.
Later pieces are whole sentences, which sound better; when playback would run dry before one is
complete, `hurry` takes what there is. Each piece knows which characters of the answer it stands for.
"""

from __future__ import annotations

import re

import msgspec

from edge_assistant.speech.speakable import speakable
from edge_assistant.speech.spelling import abbreviations

FIRST_LETTERS = 10
"""A comma cuts the first piece only behind so many letters ("Well, …" alone sounds hacked)."""

LATER_CHARACTERS = 20
"""A sentence shorter than this is spoken together with the next one."""

LONGEST_CHARACTERS = 240
"""What has no sentence end by then is cut between words: synthesis must not fall behind."""

_END = re.compile(r"[.!?…]+[\"')\]”’*_]*(?=\s+\S)|[。！？](?=\S)|\n(?=\s*\S)")
_COMMA = re.compile(r"(?:[,;:]|\s[—–-])(?=\s+\S)|[，、；](?=\S)")
_LAST_COMMA = re.compile(r"(?<=[^\W\d])[,;]\Z")
"""Behind a letter a comma is one whatever follows: the voice need not wait for the next word."""

_FENCE = re.compile(r"^[ \t]*(?:```|~~~)", re.MULTILINE)
_LAST_WORD = re.compile(r"(\S+)\Z")
_NUMBERED = re.compile(r"(?:^|\n)[ \t]*\d{1,3}\Z")
_JOINT = re.compile(
    r"\s(?=(?:and|or|but|because|which|that|who|while|when|if|with|without|for|from|into|under|over|"
    r"und|oder|aber|weil|mit|et|ou|mais|y|o|pero)\s)",
    re.IGNORECASE,
)
_GAP = re.compile(r"\s+(?=\S)")

JOINT_WORDS, GAP_WORDS = 2, 3
"""Words before a hurried cut: at a conjunction, and anywhere."""


class Chunk(msgspec.Struct, frozen=True):
    """A piece to speak: its words, and the characters `start` to `end` of the answer behind them."""

    text: str
    start: int
    end: int


class ClauseSplitter:
    """Takes an answer as it grows; every character ends up in one piece, spoken or not."""

    def __init__(self, language: str = "en") -> None:
        self._language = language
        self._abbreviations = abbreviations(language)
        self._rest = ""
        """What is written and not yet cut off."""
        self._start = 0
        """Where `_rest` begins in the answer."""
        self._begun = False
        """A piece with words has been cut off."""
        self._in_code = False

    @property
    def pending(self) -> int:
        """Characters that wait for the end of their sentence."""
        return len(self._rest)

    def feed(self, text: str) -> list[Chunk]:
        """Take more of the answer and return the pieces that are complete now."""
        self._rest += text
        chunks = []
        while (cut := self._cut()) is not None:
            chunks += self._take(cut)
        return chunks

    def hurry(self) -> list[Chunk]:
        """Return the best piece that can be had now, because playback runs dry; [] when there is none."""
        if self._in_code or _FENCE.search(self._rest):
            return []
        for pattern, words in ((_COMMA, 1), (_JOINT, JOINT_WORDS), (_GAP, GAP_WORDS)):
            cuts = [found.end() for found in pattern.finditer(self._rest)]
            for cut in reversed(cuts):
                head = self._rest[:cut]
                if len(head.split()) >= words and not _is_open(head):
                    return [_going_on(chunk, head) for chunk in self._take(cut)]
        return []

    def finish(self) -> list[Chunk]:
        """Return what is left when the answer is complete."""
        chunks = self._skip_code() if self._in_code else []
        return chunks + (self._take(len(self._rest)) if self._rest and not self._in_code else [])

    def _cut(self) -> int | None:
        """Return where the next piece ends, or None when it is not complete."""
        if self._in_code:
            self._skip_code()
        if self._in_code or not self._rest:
            return None
        fence = _FENCE.search(self._rest)
        head = self._rest[: fence.start()] if fence else self._rest
        for end in self._ends(head):
            return end
        if fence:
            return self._enter_code(fence)
        return _at_space(head) if len(head) > LONGEST_CHARACTERS else None

    def _ends(self, head: str) -> list[int]:
        if self._begun:
            found = [m for m in _END.finditer(head) if m.end() >= LATER_CHARACTERS]
        else:
            commas = [*_COMMA.finditer(head), *_LAST_COMMA.finditer(head)]
            commas = [m for m in commas if _letters(head[: m.end()]) >= FIRST_LETTERS]
            found = sorted([*commas, *_END.finditer(head)], key=re.Match.end)
        return [m.end() for m in found if self._is_end(head[: m.end()])][:1]

    def _is_end(self, head: str) -> bool:
        """Return whether a piece may end here: not in brackets, not behind "Dr." or "1."."""
        if not _letters(head) or _is_open(head):
            return False
        if not head.rstrip("\"')]”’*_").endswith("."):
            return True
        last = _LAST_WORD.search(head)
        word = last[1].lstrip("\"'([“‘*_") if last else ""
        is_initial = len(word) == 2 and word[0].isalpha()  # noqa: PLR2004 - "J."
        return not (is_initial or word in self._abbreviations or _NUMBERED.search(head[:-1]))

    def _enter_code(self, fence: re.Match[str]) -> int | None:
        """Cut before a block of code; a block is never read aloud."""
        if fence.start():
            return fence.start()
        if "\n" not in self._rest:
            return None
        self._drop(self._rest.index("\n") + 1)
        self._in_code = True
        return self._cut()

    def _skip_code(self) -> list[Chunk]:
        """Drop whole lines of code up to the fence that ends it."""
        while self._in_code and "\n" in self._rest:
            line = self._rest[: self._rest.index("\n") + 1]
            self._in_code = _FENCE.match(line) is None
            self._drop(len(line))
        return []

    def _take(self, cut: int) -> list[Chunk]:
        spoken = speakable(self._rest[:cut], self._language)
        chunk = Chunk(spoken, self._start, self._start + cut)
        self._drop(cut)
        self._begun = self._begun or bool(spoken)
        return [chunk] if spoken else []

    def _drop(self, count: int) -> None:
        self._rest = self._rest[count:]
        self._start += count


def _going_on(chunk: Chunk, written: str) -> Chunk:
    """Return a piece of a sentence that the voice does not end: it stops on a comma."""
    if chunk.text.endswith(".") and not written.rstrip().endswith("."):
        return msgspec.structs.replace(chunk, text=f"{chunk.text[:-1]},")
    return chunk


def _letters(text: str) -> int:
    return sum(map(str.isalnum, text))


def _is_open(head: str) -> bool:
    """Return whether a bracket or code span begun in `head` goes on behind it."""
    return head.count("`") % 2 == 1 or head.count("[") > head.count("]") or head.count("(") > head.count(")")


def _at_space(head: str) -> int:
    """Return a cut between words before the longest length, or right there when there is no space."""
    cut = max(head.rfind(", ", 0, LONGEST_CHARACTERS) + 1, 0)
    if cut < LONGEST_CHARACTERS // 2:
        cut = head.rfind(" ", 0, LONGEST_CHARACTERS)
    return cut if cut > 0 else LONGEST_CHARACTERS
