"""A document of the library, as people and programs see it."""

from __future__ import annotations

from typing import Literal

import msgspec

SOURCE = "document"
"""What the search index calls everything of this room."""

DocumentState = Literal["uploading", "waiting", "reading", "ready", "failed"]

HOUSEHOLD = ""
"""Owner of what everybody who lives here may read."""


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """One paper, page or export. Times are UNIX seconds."""

    id: str
    principal: str
    """Whose it is; empty when the household shares it."""
    origin: str
    """`file:PATH`, `url:ADDRESS` or `upload:SHA-256`; names it once within what is one person's."""
    name: str
    title: str = ""
    """As it calls itself; empty when it doesn't."""
    kind: str = ""
    """`pdf`, `html`, `markdown`, `text`, `csv`, `notion`, `audio`; empty until it was read."""
    state: DocumentState
    code: str = ""
    """Why it can't be read, as in docs/errors.md."""
    message: str = ""
    watched: bool = False
    """Whether it lies in the watched folder and goes when the file goes."""
    stamp: str = ""
    """What its file looked like when it was put into the line: size and time of change."""
    pages: int = 0
    chunks: int = 0
    pending: int = 0
    """Chunks that are found by their words already, by their meaning in a while."""
    bytes: int = 0
    written_at: float = 0.0
    """As it says itself or its file does; 0 is unknown."""
    added_at: float
    changed_at: float

    @property
    def label(self) -> str:
        """What people call it."""
        return self.title or self.name

    @property
    def url(self) -> str:
        """Its address in the web; empty for files."""
        return self.origin.removeprefix("url:") if self.origin.startswith("url:") else ""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A passage of a document that fits a question."""

    document: str
    title: str
    text: str
    where: str = ""
    """`page 3`, `Errors › E4`, or both."""
    page: int = 0
    heading: str = ""
    url: str = ""
    shared: bool = False
    position: int = 0
    """Its place in the document, counted from 0."""
    written_at: float = 0.0
    similarity: float = 0.0
    """Cosine to the question; 0 when no vector is there."""
    overlap: float = 0.0
    """Share of the question's telling words that stand in it."""
