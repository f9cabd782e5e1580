"""Where a document is from, before anything of it is read."""

from __future__ import annotations

import os
import time
import uuid
from pathlib import Path

from edge_assistant.documents.document import Document
from edge_assistant.errors import DocumentError
from edge_assistant.memory.conversation_rows import clean_title, storable


def too_large(most: int) -> DocumentError:
    """Return the error for a file above the limit."""
    return DocumentError("DOCUMENT_TOO_LARGE", f"a document may have {most >> 20} MB; this one has more")


def stamp_of(status: os.stat_result) -> str:
    """Return what tells a file from itself before a change."""
    return f"{status.st_size}:{status.st_mtime_ns}:{status.st_ino}"


def origin_of(path: Path) -> str:
    """Return what names a file of this device in the library."""
    return f"file:{storable(os.fsencode(path).decode('utf-8', 'replace'))}"


def path_of(origin: str) -> Path:
    """Return where the file of an origin lies; one with a name that is no text lies nowhere."""
    return Path(origin.removeprefix("file:"))


def from_file(path: Path, principal: str, watched: bool) -> Document | DocumentError:
    """Return a document for a file of this device, or why there is none."""
    try:
        status = path.stat()
    except OSError as error:
        return DocumentError("DOCUMENT_UNREADABLE", f"{path} can't be opened: {error.strerror}")
    if path.is_dir():
        return DocumentError("DOCUMENT_UNREADABLE", f"{path} is a folder: name the files in it")
    return new_document(
        principal,
        origin_of(path),
        name=path.name,
        stamp=stamp_of(status),
        size=status.st_size,
        written_at=status.st_mtime,
        watched=watched,
    )


def new_document(
    principal: str,
    origin: str,
    *,
    name: str,
    stamp: str = "",
    size: int = 0,
    written_at: float = 0.0,
    watched: bool = False,
) -> Document:
    """Return a document that waits to be read."""
    now = time.time()
    return Document(
        id=uuid.uuid4().hex,
        principal=principal,
        origin=origin,
        name=clean_title(name) or "document",
        state="waiting",
        stamp=stamp,
        bytes=size,
        written_at=written_at,
        watched=watched,
        added_at=now,
        changed_at=now,
    )
