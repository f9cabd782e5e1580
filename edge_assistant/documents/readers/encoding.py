"""What encoding a text is in, told by its first bytes."""

from __future__ import annotations

import codecs
import io
from typing import BinaryIO

from edge_assistant.documents.refusal import Refusal

SAMPLE_BYTES = 64 * 1024

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins like UTF-16's mark, so it is looked for first
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_FALLBACK = "cp1252"
_CONTROLS = bytes(set(range(32)) - {*b"\t\n\x0b\x0c\r\x1b"}) + b"\x7f"
_CONTROL_SHARE = 0.01
"""Texts have next to no control characters; programs and pictures have many."""


def open_text(file: BinaryIO) -> io.TextIOWrapper:
    """Return `file` as text from its beginning; what its encoding can't say becomes U+FFFD.

    Raises `Refusal` DOCUMENT_NOT_TEXT when it is no text at all.
    """
    file.seek(0)
    encoding = encoding_of(file.read(SAMPLE_BYTES))
    file.seek(0)
    return io.TextIOWrapper(file, encoding=encoding, errors="replace")


def decode(data: bytes) -> str:
    """Return `data` as text; raises `Refusal` DOCUMENT_NOT_TEXT."""
    return data.decode(encoding_of(data[:SAMPLE_BYTES]), "replace")


def encoding_of(sample: bytes) -> str:
    """Return the encoding of a text that begins with `sample`; raises `Refusal` DOCUMENT_NOT_TEXT."""
    for mark, encoding in _MARKS:
        if sample.startswith(mark):
            return encoding
    if encoding := _unmarked_utf16(sample):
        return encoding
    if sum(sample.count(control) for control in _CONTROLS) > len(sample) * _CONTROL_SHARE:
        raise Refusal("DOCUMENT_NOT_TEXT", "this is no text: its kind of file can't be read")
    return "utf-8" if _is_utf8(sample) else _guess(sample)


def _is_utf8(sample: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)  # its end may cut a letter
    except UnicodeDecodeError:
        return False
    return True


def _unmarked_utf16(sample: bytes) -> str:
    """Every other byte of UTF-16 in a European language is zero, on one side."""
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    many, few = len(sample) // 5, len(sample) // 50
    if odd > many and even <= few:
        return "utf-16-le"
    return "utf-16-be" if even > many and odd <= few else ""


def _guess(sample: bytes) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(sample, steps=5, chunk_size=1024).best()
    return best.encoding if best is not None else _FALLBACK
