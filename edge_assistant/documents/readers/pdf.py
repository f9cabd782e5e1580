"""PDF: page by page, with the headings of its outline."""

from __future__ import annotations

import calendar
import re
import time
from collections.abc import Iterator
from typing import BinaryIO

import pypdfium2

from edge_assistant.documents.block import About, Block
from edge_assistant.documents.refusal import Refusal

MOST_PAGES = 20_000
_FORM_PASSWORD = 4
"""FPDF_ERR_PASSWORD of PDFium."""
_FORM_SECURITY = 5
"""FPDF_ERR_SECURITY: a kind of protection that PDFium does not know."""

_DATE = re.compile(r"D:(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?")
_HYPHENATED = re.compile("[\x02\ufffe\u00ad]\\s*|(?<=[a-zß-ÿ])-\n(?=[a-zß-ÿ])")
_LINE_END = re.compile(r"(?<![.!?:…\n])\n(?!\n)")


def read_pdf(file: BinaryIO) -> Iterator[About | Block]:
    """Read a PDF. Raises `Refusal`: DOCUMENT_ENCRYPTED, DOCUMENT_BROKEN, DOCUMENT_EMPTY, DOCUMENT_NO_TEXT."""
    pdf = _open(file)
    pages = len(pdf)
    if not pages:
        raise Refusal("DOCUMENT_EMPTY", "this PDF has no pages")
    if pages > MOST_PAGES:
        raise Refusal("DOCUMENT_TOO_LARGE", f"this PDF has {pages} pages; at most {MOST_PAGES} are read")
    known = pdf.get_metadata_dict(skip_empty=True)
    date = known.get("ModDate") or known.get("CreationDate") or ""
    yield About(
        kind="pdf", title=" ".join(known.get("Title", "").split()), timestamp=_time(date), pages=pages
    )
    outline = _outline(pdf)
    silent = 0
    for number in range(1, pages + 1):
        text = _page_text(pdf, number)
        silent += not text
        yield from _page_blocks(text, number, outline.get(number, []))
    if silent == pages:
        raise Refusal(
            "DOCUMENT_NO_TEXT",
            "this PDF holds pictures of pages only, no text: scan it with text recognition",
        )


def _open(file: BinaryIO) -> pypdfium2.PdfDocument:
    try:
        return pypdfium2.PdfDocument(file)
    except pypdfium2.PdfiumError as error:
        if error.err_code in {_FORM_PASSWORD, _FORM_SECURITY}:
            raise Refusal(
                "DOCUMENT_ENCRYPTED", "this PDF is locked with a password: save it without and add it again"
            ) from None
        raise Refusal("DOCUMENT_BROKEN", "this PDF is damaged and can't be opened") from None


def _page_text(pdf: pypdfium2.PdfDocument, number: int) -> str:
    """Return a page's text; a page that can't be read is like one without text."""
    try:
        page = pdf[number - 1]
        text = page.get_textpage()
        try:
            found: str = text.get_text_range(errors="ignore")
        finally:
            text.close()
            page.close()
    except pypdfium2.PdfiumError:
        return ""
    found = _HYPHENATED.sub("", found.replace("\r\n", "\n").replace("\r", "\n"))
    return found.strip()


def _page_blocks(text: str, page: int, headings: list[tuple[int, str]]) -> Iterator[Block]:
    """Return the text of a page below the headings that the outline places on it."""
    for level, title in headings:
        before, line, after = _at_heading(text, title)
        if line:
            yield from _paragraphs(before, page)
            text = after
        yield Block(kind="heading", text=title, level=level, page=page)
    yield from _paragraphs(text, page)


def _at_heading(text: str, title: str) -> tuple[str, str, str]:
    """Return what stands before, on and after the line that says `title`; empty when none does."""
    words = r"\s+".join(re.escape(word) for word in title.split())
    found = re.search(rf"^[\d.\s]*{words}[ \t]*$", text, re.MULTILINE | re.IGNORECASE) if words else None
    return (text[: found.start()], found[0], text[found.end() :]) if found else ("", "", "")


def _paragraphs(text: str, page: int) -> Iterator[Block]:
    """Join the lines of a layout; only a line that ends a sentence can end a paragraph."""
    joined = _LINE_END.sub(" ", text)
    for paragraph in re.split(r"\n\s*\n", joined):
        if paragraph.strip():
            yield Block(text=paragraph, page=page)


def _outline(pdf: pypdfium2.PdfDocument) -> dict[int, list[tuple[int, str]]]:
    """Return level and title of each bookmark by the number of its page."""
    found: dict[int, list[tuple[int, str]]] = {}
    try:
        for bookmark in pdf.get_toc(max_depth=6):
            destination = bookmark.get_dest()
            index = destination.get_index() if destination else None
            title = " ".join(bookmark.get_title().split())
            if index is not None and title:
                found.setdefault(index + 1, []).append((bookmark.level + 1, title))
    except pypdfium2.PdfiumError:
        return {}
    return found


def _time(text: str) -> float:
    found = _DATE.match(text)
    if found is None:
        return 0.0
    year, month, day, *clock = (
        int(part or default) for part, default in zip(found.groups(), (0, 1, 1, 0, 0, 0), strict=True)
    )
    try:
        return float(calendar.timegm(time.strptime(f"{year:04}-{month:02}-{day:02}", "%Y-%m-%d"))) + sum(
            part * unit for part, unit in zip(clock, (3600, 60, 1), strict=True)
        )
    except ValueError:
        return 0.0
