"""From blocks to chunks: along the document's structure, sentence by sentence where a part is long.

A chunk never crosses a heading, and carries the headings above it. Below one heading, the last
sentences of a chunk are repeated at the beginning of the next, so that what hangs together is found
from either side. Pure, and streaming: it holds one chunk at a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

from edge_assistant.documents.block import Block, Chunk


class ChunkSize(msgspec.Struct, frozen=True):
    """Sizes in letters of an alphabet; a letter of Chinese, Japanese or Korean counts as four."""

    longest: int = 900
    """About 200 tokens: the starter embedder reads 256, so nothing is cut off, headings included."""
    overlap: int = 150


DEFAULT_SIZE = ChunkSize()

HEADING_LONGEST = 120
"""What is longer and claims to be a heading is a paragraph in large letters."""

_DENSE = re.compile(
    "[\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7ff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]"
)
_DENSE_SIZE = 4
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])|\n+")
_LINES = frozenset({"row", "item", "code"})
"""Kinds of block that stay on lines of their own."""


def size_of(text: str) -> int:
    """Return how much of an embedder's window `text` takes."""
    return len(text) + (_DENSE_SIZE - 1) * len(_DENSE.findall(text))


def chunks_of(blocks: Iterable[Block], size: ChunkSize = DEFAULT_SIZE) -> Iterator[Chunk]:
    """Return the chunks of a document's blocks, in order.

    Every word of the blocks is in a chunk, those of headings in its `heading` or, with nothing below
    them, in a text of their own. No chunk is larger than `size.longest`, nor is what it repeats
    larger than `size.overlap`.
    """
    outline, packer = _Outline(), _Packer(size)
    for block in blocks:
        text = block.text.strip("\n") if block.kind == "code" else block.text.strip()
        if not text:
            continue
        if block.kind == "heading" and size_of(text) <= HEADING_LONGEST:
            yield from packer.end()
            yield from outline.enter(block)
            continue
        if block.part != outline.part:
            yield from packer.end()
            yield from outline.leave(block.part)
        joint, heading = "\n" if block.kind in _LINES else "\n\n", outline.cover()
        for piece in _pieces(text, block.kind == "code", size.longest):
            yield from packer.add(piece, joint, block, heading)
            joint = "\n" if block.kind == "code" else " "
    yield from packer.end()
    yield from outline.leave("")


class _Outline:
    """The headings above the present place, and which of them no chunk has named yet."""

    def __init__(self) -> None:
        self.part = ""
        self._open: list[Block] = []
        self._covered = 0
        """How many of the open headings, from the outermost, a chunk carries."""

    def enter(self, heading: Block) -> Iterator[Chunk]:
        """Go below `heading`; what it closes without a word of text becomes a chunk of its own."""
        if heading.part != self.part:
            yield from self.leave(heading.part)
        while self._open and self._open[-1].level >= heading.level:
            yield from self._close()
        self._open.append(heading)

    def leave(self, part: str) -> Iterator[Chunk]:
        """Close every heading and go on with another part of the document."""
        while self._open:
            yield from self._close()
        self.part = part

    def cover(self) -> str:
        """Return the path of headings, which a chunk will carry."""
        self._covered = len(self._open)
        return self._path()

    def _close(self) -> Iterator[Chunk]:
        bare = len(self._open) > self._covered
        heading = self._open.pop()
        if bare:
            yield Chunk(
                text=_line(heading.text),
                heading=self._path(),
                page=heading.page,
                last_page=heading.page,
                url=heading.url,
                timestamp=heading.timestamp,
            )
            self._covered = len(self._open)
        self._covered = min(self._covered, len(self._open))

    def _path(self) -> str:
        return " › ".join(_line(heading.text) for heading in self._open)


class _Packer:
    """Fills one chunk at a time."""

    def __init__(self, size: ChunkSize) -> None:
        self._size = size
        self._restart("")

    def _restart(self, repeated: str) -> None:
        self._text = repeated
        self._overlap = 0
        self._first: Block | None = None
        """The block of the first word that is not a repetition; None before there is one."""
        self._heading = ""
        self._last_page = 0

    def add(self, piece: str, joint: str, block: Block, heading: str) -> Iterator[Chunk]:
        """Add a piece no larger than a chunk; iterate over the chunk that was full before it."""
        if self._first is not None and not self._fits(joint + piece):
            yield self._chunk(self._first)
            self._restart(self._tail())
        if not self._fits(joint + piece):
            self._restart("")  # the repetition has no room
        text = joint + piece if self._text else piece
        if self._first is None:
            self._overlap = len(self._text) + (len(joint) if self._text else 0)
            self._first, self._heading = block, heading
        self._text += text
        self._last_page = max(self._last_page, block.page)

    def end(self) -> Iterator[Chunk]:
        """Hand out what is there and start anew, repeating nothing."""
        if self._first is not None:
            yield self._chunk(self._first)
        self._restart("")

    def _fits(self, more: str) -> bool:
        return not self._text or size_of(self._text) + size_of(more) <= self._size.longest

    def _tail(self) -> str:
        """Return the last whole sentences that fit into the overlap, never the whole chunk."""
        tail = ""
        for sentence in reversed(sentences_of(self._text[self._overlap :])[1:]):
            longer = f"{sentence} {tail}" if tail else sentence
            if size_of(longer) + size_of("\n\n") > self._size.overlap:
                break
            tail = longer
        return tail

    def _chunk(self, first: Block) -> Chunk:
        return Chunk(
            text=self._text,
            heading=self._heading,
            page=first.page,
            last_page=self._last_page,
            url=first.url,
            timestamp=first.timestamp,
            second=first.second,
            overlap=self._overlap,
        )


def sentences_of(text: str) -> list[str]:
    """Return the sentences of `text` without the blanks between them; a line end ends one too."""
    return [part for part in _SENTENCE_END.split(text) if part.strip()]


def _pieces(text: str, code: bool, longest: int) -> Iterator[str]:
    """Return `text` in pieces that fit into a chunk: whole, else lines or sentences, else words."""
    if size_of(text) <= longest and not code:
        yield text
        return
    for part in text.split("\n") if code else sentences_of(text):
        if size_of(part) <= longest:
            yield from [part] if part.strip() else []
        else:
            yield from _words(part, longest)


def _words(text: str, longest: int) -> Iterator[str]:
    """Return `text` cut between words, a word that is too long within it."""
    line = ""
    for word in text.split():
        if line and size_of(line) + 1 + size_of(word) > longest:
            yield line
            line = ""
        line = f"{line} {word}" if line else word
        while size_of(line) > longest:
            cut = longest if line.isascii() else longest // _DENSE_SIZE
            yield line[:cut]
            line = line[cut:]
    if line:
        yield line


def _line(text: str) -> str:
    return " ".join(text.split())
