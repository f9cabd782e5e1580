"""One entry of the audit log, and the hash that chains it to the one before."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry. `at` is in UNIX seconds; `hash` covers everything else and the hash before it."""

    seq: int
    at: float
    event: str
    """`forget`, `memory.export`, `action.began`, …"""
    who: str
    """Pseudonym of the person in whose name it was done."""
    details: dict[str, Any]
    previous: str
    hash: str


def hash_of(entry: Entry) -> str:
    """Return the hash that an entry must have: SHA-256 of its fields as JSON, in their order."""
    fields = [entry.previous, entry.seq, entry.at, entry.event, entry.who, packed(entry.details)]
    return hashlib.sha256(msgspec.json.encode(fields)).hexdigest()


def packed(details: Mapping[str, Any]) -> str:
    """Return details as they are stored and hashed."""
    return msgspec.json.encode(details, order="sorted").decode()
