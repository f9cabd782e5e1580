"""HTML: of a web page the readable part, of a person's own file all that it shows."""

from __future__ import annotations

import calendar
import re
import time
from collections.abc import Iterator
from typing import BinaryIO

import trafilatura
from lxml import etree
from lxml import html as lxml_html

from edge_assistant.documents.block import About, Block, BlockKind
from edge_assistant.documents.readers.encoding import decode
from edge_assistant.documents.readers.markdown import markdown_blocks
from edge_assistant.documents.readers.table import rows
from edge_assistant.documents.refusal import Refusal

LONGEST_BYTES = 20 << 20
"""A tree takes about ten times the memory of its source."""

DEEPEST = 200

_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset=[\"']?([A-Za-z0-9_-]{2,40})", re.IGNORECASE)
_SILENT = frozenset(
    {"script", "style", "noscript", "template", "head", "svg", "iframe", "object", "select", "button"}
)
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_BLOCKS: dict[str, BlockKind] = {
    **dict.fromkeys(("p", "blockquote", "figcaption", "dd", "summary", "address", "caption"), "text"),
    **dict.fromkeys(("li", "dt"), "item"),
    "pre": "code",
}
_BREAKS = frozenset(
    {
        *("div", "section", "article", "main", "header", "footer", "aside", "nav", "ul", "ol", "dl", "body"),
        *("table", "details", "form", "figure", "hr"),
    }
)


def read_html(file: BinaryIO) -> Iterator[About | Block]:
    """Read a file that a person chose: everything that it shows."""
    tree = parse(_read(file))
    yield About(kind="html", title=_title(tree))
    yield from tree_blocks(tree)


def read_page(file: BinaryIO, url: str = "") -> Iterator[About | Block]:
    """Read a web page: its article, without menus and notices, or all of it when no article is found."""
    source = _read(file)
    tree = parse(source)
    meta = trafilatura.extract_metadata(tree, default_url=url or None)
    title = (meta.title if meta else "") or _title(tree)
    yield About(kind="html", title=title, timestamp=_day(meta.date if meta else ""))
    article = trafilatura.extract(
        parse(source),
        url=url or None,
        output_format="markdown",
        include_links=True,
        include_tables=True,
        favor_recall=True,
    )
    yield from markdown_blocks(article) if article else tree_blocks(tree)


def parse(source: str) -> lxml_html.HtmlElement:
    """Return the tree of a page; raises `Refusal` DOCUMENT_EMPTY, DOCUMENT_BROKEN."""
    parser = lxml_html.HTMLParser(
        encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True, huge_tree=False
    )
    try:
        tree = lxml_html.document_fromstring(source.encode(), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError):
        raise Refusal("DOCUMENT_EMPTY", "there is no text in it") from None
    return tree


def tree_blocks(tree: lxml_html.HtmlElement) -> Iterator[Block]:
    """Return what a page shows, block by block."""
    body = tree.find("body")
    yield from _Walk().blocks(tree if body is None else body)


class _Walk:
    """Goes through a tree; text outside any block element is collected until the next one begins."""

    def __init__(self) -> None:
        self._loose: list[str] = []

    def blocks(self, element: lxml_html.HtmlElement, depth: int = 0) -> Iterator[Block]:
        """Return the blocks below `element`."""
        self._loose.append(element.text or "")
        for child in element:
            yield from self._child(child, depth)
            self._loose.append(child.tail or "")
        if depth == 0:
            yield from self._flush()

    def _child(self, child: lxml_html.HtmlElement, depth: int) -> Iterator[Block]:
        tag = child.tag
        if not isinstance(tag, str) or tag in _SILENT:
            return
        if tag in _HEADINGS:
            yield from self._flush()
            yield Block(kind="heading", level=int(tag[1]), text=_inline(child))
        elif tag == "table" and child.find(".//table") is None:
            yield from self._flush()
            yield from rows([_inline(cell) for cell in row.iter("th", "td")] for row in child.iter("tr"))
        elif tag in _BLOCKS or tag in _BREAKS:
            yield from self._flush()
            if _is_leaf(child) or depth >= DEEPEST:
                yield Block(
                    kind=_BLOCKS.get(tag, "text"), text=_verbatim(child) if tag == "pre" else _inline(child)
                )
            else:
                yield from self.blocks(child, depth + 1)
                yield from self._flush()
        elif _is_leaf(child):
            self._loose.append(_inline(child))
        elif tag == "br":
            self._loose.append(" ")
        elif depth < DEEPEST:
            yield from self.blocks(child, depth + 1)

    def _flush(self) -> Iterator[Block]:
        text = " ".join("".join(self._loose).split())
        self._loose = []
        if text:
            yield Block(text=text)


def _is_leaf(element: lxml_html.HtmlElement) -> bool:
    """Whether no block stands inside, so that it is one run of text."""
    return not any(
        isinstance(e.tag, str)
        and (e.tag in _BLOCKS or e.tag in _BREAKS or e.tag in _HEADINGS or e.tag in _SILENT)
        for e in element.iterdescendants()
    )


def _inline(element: lxml_html.HtmlElement) -> str:
    """Return an element's text in one line, with the targets of its links."""
    parts: list[str] = []
    for event, node in etree.iterwalk(element, events=("start", "end")):
        if not isinstance(node.tag, str):
            continue
        href = (node.get("href") or "") if node.tag == "a" else ""
        link = href if href.startswith(("http://", "https://", "mailto:")) else ""
        if event == "start":
            parts += ["[" if link else "", " " if node.tag in {"br", "td", "li"} else "", node.text or ""]
        else:
            parts += [f"]({link})" if link else "", (node.tail or "") if node is not element else ""]
    return " ".join("".join(parts).split())


def _verbatim(element: lxml_html.HtmlElement) -> str:
    return "".join(str(text) for text in element.itertext())


def _read(file: BinaryIO) -> str:
    data = file.read(LONGEST_BYTES + 1)
    if len(data) > LONGEST_BYTES:
        raise Refusal(
            "DOCUMENT_TOO_LARGE", f"an HTML page may have {LONGEST_BYTES >> 20} MB; this one is larger"
        )
    named = _CHARSET.search(data[:4096])
    if named is not None:
        try:
            return data.decode(named[1].decode("ascii"))
        except (LookupError, UnicodeError):
            pass  # it lies about itself
    return decode(data)


def _title(tree: lxml_html.HtmlElement) -> str:
    return " ".join((tree.findtext(".//title") or tree.findtext(".//h1") or "").split())


def _day(text: str | None) -> float:
    try:
        return float(calendar.timegm(time.strptime((text or "")[:10], "%Y-%m-%d")))
    except ValueError:
        return 0.0
