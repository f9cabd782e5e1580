"""Every byte that a database's files hold, decrypted: pages in use, free pages, and the log's old frames.

SQLite shows only what it still counts as there. So the pages are decrypted here as SQLite3 Multiple
Ciphers encrypts them: each ends in a 16-byte nonce and a Poly1305 tag; the counter is the nonce's last
32 bits XOR the page's number, and the first 64 bytes of key stream give the keys of page and tag. The
tag is checked, so that a page that was read wrongly can't pass for an empty one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.poly1305 import Poly1305

from edge_assistant.store.connection import side_file

PAGE_BYTES = 4096
RESERVED_BYTES = 32
NONCE_BYTES = 16
HEADER_BYTES = 24
"""Of the first page: not encrypted."""
WAL_HEADER_BYTES, FRAME_HEADER_BYTES = 32, 24


def decrypted(path: Path, key: bytes) -> Iterator[bytes]:
    """Yield every page of a database and of the log beside it; raises `ValueError` for a foreign one."""
    content = path.read_bytes()
    for number, at in enumerate(range(0, len(content), PAGE_BYTES), start=1):
        yield decrypt_page(content[at : at + PAGE_BYTES], number, key)
    log = side_file(path, "-wal")
    if log.exists():
        yield from _frames(log.read_bytes(), key)


def _frames(log: bytes, key: bytes) -> Iterator[bytes]:
    size = FRAME_HEADER_BYTES + PAGE_BYTES
    for at in range(WAL_HEADER_BYTES, len(log) - size + 1, size):
        (number,) = struct.unpack_from(">I", log, at)
        if number:
            yield decrypt_page(log[at + FRAME_HEADER_BYTES : at + size], number, key)


def decrypt_page(page: bytes, number: int, key: bytes) -> bytes:
    """Return what stands in a page; raises `ValueError` when its tag is another."""
    if not any(page):
        return page  # allocated and never written
    body, nonce = page[:-RESERVED_BYTES], page[-RESERVED_BYTES : -RESERVED_BYTES + NONCE_BYTES]
    counter = int.from_bytes(nonce[12:], "little") ^ number
    keys = _chacha20(key, nonce[:12], counter, bytes(64))
    start = HEADER_BYTES if number == 1 else 0
    signed = page[:-NONCE_BYTES]
    if Poly1305.generate_tag(keys[:32], signed) != page[-NONCE_BYTES:]:
        raise ValueError(f"page {number} was not written under this key")
    return body[:start] + _chacha20(keys[32:], nonce[:12], counter + 1, body[start:])


def _chacha20(key: bytes, nonce: bytes, counter: int, data: bytes) -> bytes:
    whole = (counter & 0xFFFFFFFF).to_bytes(4, "little") + nonce
    return Cipher(algorithms.ChaCha20(key, whole), None).encryptor().update(data)
