"""What a reader makes of a document: blocks of text in reading order, and what is known of the whole."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

_Line = Annotated[str, msgspec.Meta(max_length=2000)]
_Text = Annotated[str, msgspec.Meta(max_length=8000)]

SOUND_RATE_HZ = 16_000
SOUND_SECONDS = 28.0
"""Of one piece at most: Whisper takes in 30 s at once, with a second of silence behind the last word."""

RECORDING_SECONDS = 4 * 3600
"""Of one recording at most: what takes an hour to understand on a small device."""

BlockKind = Literal["heading", "text", "item", "row", "code"]


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """A heading, a paragraph, an item of a list, a row of a table or a piece of code."""

    kind: BlockKind = "text"
    text: str
    level: int = 0
    """Depth of a heading from 1; 0 for everything else."""
    page: int = 0
    """Page it stands on, from 1; 0 where there are no pages."""
    url: str = ""
    """Where just this part can be opened, when that differs from the document's own address."""
    part: str = ""
    """Which part of the document it is from, such as a page of an archive; headings start anew there."""
    timestamp: float = 0.0
    """When this part was written, UNIX seconds; 0 is unknown."""
    second: int | None = None
    """Where in a recording it begins; None where there is no sound."""


class About(msgspec.Struct, frozen=True, tag="about", kw_only=True):
    """What is known of a document before its text comes."""

    title: _Line = ""
    kind: Literal["pdf", "html", "markdown", "text", "csv", "notion", "audio"]
    timestamp: float = 0.0
    """When it was written, as far as it says so itself; UNIX seconds, 0 is unknown."""
    pages: int = 0


class Sound(msgspec.Struct, frozen=True, tag="sound", kw_only=True):
    """A piece of a recording that can be understood by itself: mono s16le at `SOUND_RATE_HZ`."""

    pcm: Annotated[bytes, msgspec.Meta(max_length=int(SOUND_SECONDS * SOUND_RATE_HZ) * 2)]
    second: int
    """Where in the recording it begins."""


class Chunk(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A piece of a document that can be found and cited by itself."""

    text: _Text
    heading: _Line = ""
    """The headings above it, outermost first, joined by ` › `."""
    page: int = 0
    """First page of its text, from 1; 0 where there are no pages."""
    last_page: int = 0
    url: _Line = ""
    timestamp: float = 0.0
    second: int | None = None
    """Where in a recording it begins; None where there is no sound."""
    overlap: int = 0
    """Characters at its beginning that repeat the end of the chunk before it, blank included."""
