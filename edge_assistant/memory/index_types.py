"""What the index takes and gives."""

from __future__ import annotations

import msgspec

Detail = str | int | float | bool | None


class Chunk(msgspec.Struct, frozen=True):
    """A piece of an item's text, with what helps to cite it: page, heading, url, timestamp."""

    text: str
    metadata: dict[str, Detail] = {}


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """Something that can be found: a document, a remembered fact.

    `source` and `principal` and `ref` name it. An empty `principal` shares it with the household.
    """

    source: str
    """Who keeps it: `memory`, `document`…"""
    ref: str
    """Its id there."""
    principal: str = ""
    collection: str = ""
    type: str = ""
    """Its kind there: `pdf`, `web`, `fact`…"""
    title: str = ""
    metadata: dict[str, Detail] = {}
    created_at: float
    """UNIX seconds, for filters by time and for recency."""


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """What may be found. An empty tuple lets everything through."""

    principal: str
    """Who asks: sees what is theirs and what the household shares. Empty sees the shared only."""
    shared: bool = True
    """False leaves out what the household shares."""
    sources: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    refs: tuple[str, ...] = ()
    after: float | None = None
    before: float | None = None
    """UNIX seconds, of the items' `created_at`."""


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """A chunk that was found."""

    chunk: int
    source: str
    ref: str
    principal: str
    collection: str
    type: str
    title: str
    text: str
    position: int
    """Its place in the item, counted from 0."""
    metadata: dict[str, Detail]
    """The item's and, before them, the chunk's."""
    created_at: float
    score: float
    """Fused and weighed; compares hits of one search only."""
    similarity: float
    """Cosine to the question on the scale of the starter embedder, up to 1; 0 when no vector is there."""
