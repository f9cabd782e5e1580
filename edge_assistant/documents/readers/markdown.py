"""Markdown: its headings, paragraphs, lists, tables and code; inline marks and links stay as written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from markdown_it import MarkdownIt
from markdown_it.token import Token

from edge_assistant.documents.block import About, Block
from edge_assistant.documents.readers.encoding import decode
from edge_assistant.documents.readers.table import rows
from edge_assistant.documents.readers.text import read_text

STRUCTURED_BYTES = 8 << 20
"""A longer text is no hand-written page: it is read as plain text, in little memory."""

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?\n)---[ \t]*(?:\n|\Z)", re.DOTALL)
_FRONT_TITLE = re.compile(r"^title:[ \t]*[\"']?(.+?)[\"']?[ \t]*$", re.MULTILINE)


def read_markdown(file: BinaryIO) -> Iterator[About | Block]:
    """Read a Markdown file; its first heading of level 1 is its title."""
    data = file.read(STRUCTURED_BYTES + 1)
    if len(data) > STRUCTURED_BYTES:
        yield from read_text(file)
        return
    text = decode(data)
    title, body = front_matter(text)
    blocks = list(markdown_blocks(body))
    title = title or next((b.text for b in blocks if b.kind == "heading" and b.level == 1), "")
    yield About(kind="markdown", title=title)
    yield from blocks


def front_matter(text: str) -> tuple[str, str]:
    """Return the title in a YAML block at the beginning, if any, and the text after the block."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    found = _FRONT_MATTER.match(text)
    if found is None:
        return "", text
    title = _FRONT_TITLE.search(found[1])
    return (title[1] if title else ""), text[found.end() :]


def markdown_blocks(text: str) -> Iterator[Block]:
    """Return the blocks of a Markdown text, in order."""
    tokens = iter(MarkdownIt("commonmark").enable("table").parse(text))
    in_item = 0
    for token in tokens:
        match token.type:
            case "heading_open":
                yield Block(kind="heading", text=next(tokens).content, level=int(token.tag[1:]))
            case "table_open":
                yield from rows(_cells(tokens))
            case "fence" | "code_block":
                yield Block(kind="code", text=token.content)
            case "html_block" | "inline":
                yield Block(kind="item" if in_item else "text", text=token.content)
            case "list_item_open":
                in_item += 1
            case "list_item_close":
                in_item -= 1


def _cells(tokens: Iterator[Token]) -> Iterator[list[str]]:
    row: list[str] = []
    for token in tokens:
        match token.type:
            case "tr_open":
                row = []
            case "inline":
                row.append(token.content)
            case "tr_close":
                yield row
            case "table_close":
                return
