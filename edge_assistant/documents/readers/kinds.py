"""Which reader a file needs: told by its first bytes, and by its name where those say nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import BinaryIO

from edge_assistant.documents.block import About, Block, Sound
from edge_assistant.documents.readers.html import read_html, read_page
from edge_assistant.documents.readers.markdown import read_markdown
from edge_assistant.documents.readers.notion import read_notion
from edge_assistant.documents.readers.pdf import read_pdf
from edge_assistant.documents.readers.sound import read_sound
from edge_assistant.documents.readers.table import read_csv
from edge_assistant.documents.readers.text import read_text
from edge_assistant.documents.refusal import Refusal

_SNIFFED_BYTES = 1024
_HTML = (b"<!doctype html", b"<html")
_KNOWN = {
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"RIFF": "a picture",
    b"\x7fELF": "a program",
    b"\xd0\xcf\x11\xe0": "an old Office file",
    b"{\\rtf": "a rich text file",
    b"\x1f\x8b": "a compressed file",
    b"7z\xbc\xaf": "a compressed file",
}
_SOUND = (
    *(b"OggS", b"ID3", b"fLaC", b"#!AMR", b"\x1a\x45\xdf\xa3"),
    *(b"\xff\xfa", b"\xff\xfb", b"\xff\xf2", b"\xff\xf3", b"\xff\xf1", b"\xff\xf9"),  # MPEG without a head
)
_PICTURE_BRANDS = (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif", b"avis")
"""Pictures in the container of MPEG 4."""

_BY_NAME: dict[str, Callable[[BinaryIO], Iterator[About | Block]]] = {
    ".md": read_markdown,
    ".markdown": read_markdown,
    ".csv": read_csv,
    ".tsv": read_csv,
    ".html": read_html,
    ".htm": read_html,
}


def read(file: BinaryIO, name: str, url: str = "") -> Iterator[About | Block | Sound]:
    """Return what is in `file`: `About` first, then its blocks or pieces of sound.

    `url` is set for a web page. Raises `Refusal` with the codes DOCUMENT_EMPTY, DOCUMENT_UNSUPPORTED,
    DOCUMENT_NOT_TEXT and those of the readers.
    """
    head = file.read(_SNIFFED_BYTES)
    file.seek(0)
    if not head.strip():
        raise Refusal("DOCUMENT_EMPTY", "there is nothing in it")
    if b"%PDF-" in head:
        return read_pdf(file)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return read_notion(file)
    if _is_sound(head):
        return read_sound(file)
    if what := _unreadable(head):
        raise Refusal("DOCUMENT_UNSUPPORTED", f"this is {what}: that can't be read")
    suffix = PurePath(name).suffix.lower()
    if url and suffix not in {".md", ".markdown", ".csv", ".txt"} and _looks_like_html(head):
        return read_page(file, url)
    if suffix == ".pdf":
        raise Refusal("DOCUMENT_BROKEN", "this PDF is damaged and can't be opened")
    if suffix in _BY_NAME:
        return _BY_NAME[suffix](file)
    return read_html(file) if _looks_like_html(head) else read_text(file)


def _is_sound(head: bytes) -> bool:
    """Whether it is a recording, or a film with a sound track."""
    if head[:4] in {b"RIFF", b"FORM"}:
        return head[8:12] in {b"WAVE", b"AVI ", b"AIFF", b"AIFC"}
    if head[4:8] == b"ftyp":
        return head[8:12] not in _PICTURE_BRANDS
    return head.startswith(_SOUND)


def _unreadable(head: bytes) -> str:
    """Return what a file is that nothing here can read; empty when that can't be told."""
    if head[4:8] == b"ftyp":
        return "a picture"
    return next((what for magic, what in _KNOWN.items() if head.startswith(magic)), "")


def _looks_like_html(head: bytes) -> bool:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return start.startswith(_HTML) or b"<html" in head.lower()
