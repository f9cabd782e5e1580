"""Makes every reader load what it loads late, so that a closed-in process need not open a file for it."""

from __future__ import annotations

import contextlib
import encodings
import importlib
import io
import pkgutil
import time

from edge_assistant.documents.block import Block, Sound
from edge_assistant.documents.readers.kinds import read

_PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
    b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Resources<</Font<</F<</Type/Font/Subtype/Type1"
    b"/BaseFont/Helvetica>>>>>>/Contents 4 0 R>>endobj\n"
    b"4 0 obj<</Length 33>>stream\nBT /F 9 Tf 9 9 Td (Sample.) Tj ET\nendstream endobj\n"
    b"trailer<</Root 1 0 R>>\n"
)
_PAGE = (
    "<html lang=en><head><title>Sample</title><meta name=date content=2024-05-01></head><body>"
    "<nav><a href=/>Home</a></nav><article><h1>Sample</h1>"
    + "<p>A sentence of a usual length stands here, and one more.</p>"
    * 8
    + "<table>"
    "<tr><th>A</th></tr><tr><td>1</td></tr></table><ul><li>One <a href=/a>link</a></li></ul></article>"
    "<footer>Published on 1 May 2024, 10:00</footer></body></html>"
).encode()
_SOUND = (
    b"RIFF" + (36 + 3200).to_bytes(4, "little") + b"WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0"
    b"\x02\0\x10\0data" + (3200).to_bytes(4, "little") + bytes(3200)
)
_SAMPLES = (
    ("a.pdf", "", _PDF),
    ("a.html", "", _PAGE),
    ("a", "https://sample.invalid/a", _PAGE),
    ("a", "https://sample.invalid/b", b"<html><body>Little.</body></html>"),
    ("a.md", "", b"# A\n\n- one\n\n| a |\n|---|\n| 1 |\n\n```\ncode\n```\n"),
    ("a.csv", "", b"a,b\n1,2\n"),
    ("a.txt", "", "Grüße, Äpfel und Öl für müde Bären.".encode("latin-1") * 20),
    ("a.txt", "", "Привет, это русский текст для примера.".encode("cp1251") * 20),
    ("a.wav", "", _SOUND),
    ("a.zip", "", b"PK\x05\x06" + bytes(18)),
)


def warm_up() -> None:
    """Read harmless samples of every kind."""
    for module in pkgutil.iter_modules(encodings.__path__):
        with contextlib.suppress(ImportError, AttributeError):  # some are for Windows only
            importlib.import_module(f"encodings.{module.name}")
    time.strptime("2024-05-01", "%Y-%m-%d")  # imports its parser late
    for name, url, data in _SAMPLES:
        with contextlib.suppress(Exception):  # a reader that can't do this will say so of a real document
            for item in read(io.BytesIO(data), name, url):
                assert isinstance(item, Block | Sound) or item.kind
