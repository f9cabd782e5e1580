"""Plain text: paragraphs stand between blank lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from edge_assistant.documents.block import About, Block
from edge_assistant.documents.readers.encoding import open_text

LINE_CHARACTERS = 64 * 1024
PARAGRAPH_CHARACTERS = 16 * 1024
"""A longer one is handed on in pieces, so that a file without a blank line needs no more memory."""


def read_text(file: BinaryIO) -> Iterator[About | Block]:
    """Read a text of any length, in whatever encoding it is."""
    yield About(kind="text")
    with open_text(file) as text:
        lines: list[str] = []
        length = 0
        while line := text.readline(LINE_CHARACTERS):
            if line.strip():
                lines.append(line.rstrip())
                length += len(line)
            if lines and (not line.strip() or length > PARAGRAPH_CHARACTERS):
                yield Block(text="\n".join(lines))
                lines, length = [], 0
        if lines:
            yield Block(text="\n".join(lines))
