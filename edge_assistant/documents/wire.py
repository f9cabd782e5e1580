"""What the daemon and the `files` worker tell each other.

A document's own words travel as bytes that the worker passes on unread: only the daemon decodes them,
against `Reading`, and takes anything else for the word of a reader that was taken over.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from edge_assistant.documents.block import About, Chunk, Sound

BATCH_CHUNKS = 64
MAX_READING_BYTES = 2 << 20
"""One `Reading` at most; 64 chunks of any script fit."""

CREDIT = 4
"""Batches that may be under way unasked."""


class FilesSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What one document may cost."""

    file_bytes: int = 100 << 20
    memory_bytes: int = 512 << 20
    """Address space for the document, above what the reader itself takes."""
    cpu_seconds: int = 300
    silent_seconds: float = 60.0
    """Longest time to the next batch while the daemon waits for one."""


class Open(msgspec.Struct, frozen=True, tag="open", kw_only=True):
    """Read the file at `path`, which is called `name`; `url` is set for a web page."""

    id: int
    path: str
    name: str
    url: str = ""


class More(msgspec.Struct, frozen=True, tag="more"):
    """One batch was dealt with: another may come."""

    id: int


class Drop(msgspec.Struct, frozen=True, tag="drop"):
    """Nobody wants this document any more."""

    id: int


Command = Open | More | Drop


class Said(msgspec.Struct, frozen=True, tag="said"):
    """A `Reading` from inside, as msgpack that nobody looked into yet."""

    id: int
    payload: bytes


class Ended(msgspec.Struct, frozen=True, tag="ended", kw_only=True):
    """The reader is gone. `code` is empty when it ended by itself."""

    id: int
    code: str = ""
    message: str = ""


class Prepared(msgspec.Struct, frozen=True, tag="prepared"):
    """The worker can open documents now."""


Reply = Said | Ended | Prepared


class Chunks(msgspec.Struct, frozen=True, tag="chunks"):
    """The next chunks, in order."""

    items: Annotated[list[Chunk], msgspec.Meta(max_length=BATCH_CHUNKS)]


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """This document can't be read, and why."""

    code: Annotated[str, msgspec.Meta(pattern=r"^DOCUMENT_[A-Z_]{1,30}\Z")]
    message: Annotated[str, msgspec.Meta(max_length=300)]


class Whole(msgspec.Struct, frozen=True, tag="whole"):
    """All of the document was said."""


Reading = About | Chunks | Sound | Refused | Whole
