"""Notion exports: a zip of pages as Markdown or HTML and of databases as CSV, in folders as in Notion.

Each page becomes a part of the document; its place in the hierarchy stands above its own headings, its
address on notion.so is kept, and links between pages lead there.
"""

from __future__ import annotations

import calendar
import io
import re
import time
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import BinaryIO
from urllib.parse import unquote

import msgspec

from edge_assistant.documents.block import About, Block
from edge_assistant.documents.readers.archive import Archive
from edge_assistant.documents.readers.encoding import decode
from edge_assistant.documents.readers.html import parse, tree_blocks
from edge_assistant.documents.readers.markdown import front_matter, markdown_blocks
from edge_assistant.documents.readers.table import csv_rows, rows
from edge_assistant.documents.refusal import Refusal

_PAGES = {".md", ".markdown", ".html", ".htm", ".csv", ".txt"}
_OFFICE = ("[Content_Types].xml", "mimetype")
_ID = re.compile(r"[ -]?([0-9a-f]{32})(?:_all)?$")
_LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)\s]+\.(?:md|html|csv))\)")
_DATE = re.compile(r"^(?:Last edited time|Last Edited|Created time|Created|Date):[ \t]*(.+)$", re.MULTILINE)
_DATE_FORMATS = ("%B %d, %Y %I:%M %p", "%B %d, %Y", "%Y-%m-%d", "%Y/%m/%d", "%d/%m/%Y")
_PROPERTIES_CHARACTERS = 2000
"""Notion writes a page's properties below its title."""


def read_notion(file: BinaryIO) -> Iterator[About | Block]:
    """Read an export. Raises `Refusal` DOCUMENT_UNSUPPORTED when it has no page, and those of `Archive`."""
    archive = Archive(file)
    if any(name in archive.names for name in _OFFICE):
        raise Refusal(
            "DOCUMENT_UNSUPPORTED", "this kind of file can't be read: export it as PDF, Markdown or HTML"
        )
    if not any(_suffix(name) in _PAGES or _suffix(name) == ".zip" for name in archive.names):
        raise Refusal("DOCUMENT_UNSUPPORTED", "the archive holds no Markdown, HTML, CSV or text")
    yield About(kind="notion")
    yield from _archive_blocks(archive, nested=True)


def _archive_blocks(archive: Archive, *, nested: bool) -> Iterator[Block]:
    names = set(archive.names)
    for name in sorted(names):
        suffix = _suffix(name)
        if nested and suffix == ".zip":  # Notion cuts large exports into parts
            yield from _archive_blocks(archive.nested(name), nested=False)
        elif suffix in _PAGES and not _is_repeated(name, names):
            yield from _page_blocks(name, archive.read(name))


def _is_repeated(name: str, names: set[str]) -> bool:
    """Tell whether it is a database as it is shown, which comes whole as `…_all.csv` too."""
    return name.endswith(".csv") and f"{name.removesuffix('.csv')}_all.csv" in names


def _page_blocks(name: str, data: bytes) -> Iterator[Block]:
    text = _resolve_links(decode(data))
    path = PurePosixPath(name)
    parents = [_title(part) for part in path.parts[:-1]]
    url, timestamp = _url(path.stem), _timestamp(text)
    level = 0
    for level, title in enumerate([*parents, _title(path.stem)], start=1):
        yield Block(kind="heading", text=title, level=level, part=name, url=url, timestamp=timestamp)
    for block in _content(path, text):
        if block.kind == "heading" and block.level == 1 and block.text.strip() == _title(path.stem):
            continue
        deeper = block.level + level if block.kind == "heading" else 0
        yield msgspec.structs.replace(block, level=deeper, part=name, url=url, timestamp=timestamp)


def _content(path: PurePosixPath, text: str) -> Iterator[Block]:
    match path.suffix.lower():
        case ".csv":
            yield from rows(csv_rows(io.StringIO(text, newline=""), text[:8192]))
        case ".html" | ".htm":
            try:
                tree = parse(text)
                for link in tree.iter("a"):
                    if target := _url(PurePosixPath(unquote(link.get("href") or "")).stem):
                        link.set("href", target)
                yield from tree_blocks(tree)
            except Refusal:
                return  # an empty page among others
        case ".txt":
            yield from (
                Block(text=paragraph) for paragraph in re.split(r"\n\s*\n", text) if paragraph.strip()
            )
        case _:
            yield from markdown_blocks(front_matter(text)[1])


def _resolve_links(text: str) -> str:
    """Point links between pages to where the page is in Notion; the others keep their file's name."""

    def resolve(found: re.Match[str]) -> str:
        target = PurePosixPath(unquote(found[1]))
        return f"]({_url(target.stem) or target.name})"

    return _LINK.sub(resolve, text)


def _title(name: str) -> str:
    return _ID.sub("", name).strip() or name


def _url(stem: str) -> str:
    found = _ID.search(stem)
    return f"https://www.notion.so/{found[1]}" if found else ""


def _timestamp(text: str) -> float:
    found = _DATE.search(text[:_PROPERTIES_CHARACTERS])
    if found is None:
        return 0.0
    for form in _DATE_FORMATS:
        try:
            return float(calendar.timegm(time.strptime(found[1].strip(), form)))
        except ValueError:
            continue
    return 0.0


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()
