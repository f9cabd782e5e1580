"""Secrets that are shown once: only their hashes are kept."""

from __future__ import annotations

import hashlib
import secrets


def new_secret(prefix: str = "") -> str:
    """Return 256 random bits as text for a cookie or a header."""
    return prefix + secrets.token_urlsafe(32)


def new_token() -> str:
    """Return 128 random bits as text for an address."""
    return secrets.token_urlsafe(16)


def digest(secret: str) -> bytes:
    """Return what is kept of a secret. It is random and long, so a plain hash can't be reversed."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def plain(text: str, most: int) -> str:
    """Return `text` on one line, without control characters, at most `most` characters long."""
    line = "".join(letter if letter.isprintable() else " " for letter in text[: most * 4])
    return " ".join(line.split())[:most]
