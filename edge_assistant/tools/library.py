"""Search in the documents, for a model that wants to know more than it was given."""

from __future__ import annotations

from typing import Annotated, Protocol

import msgspec

from edge_assistant.documents.document import SOURCE, Found
from edge_assistant.documents.finding import found_in
from edge_assistant.memory.index_types import Filters, Hit
from edge_assistant.people.person import Principal
from edge_assistant.tools.protocol import Effect, Occasion, Outcome, Quote, numbered

FOUND = 4
LONGEST_PASSAGE = 700
"""Characters of one passage: a small model reads no more at once."""


class Searcher(Protocol):
    """What can be searched."""

    async def search(self, query: str, filters: Filters, k: int = 10) -> list[Hit]:
        """Return the best passages."""
        ...


class Query(msgspec.Struct, frozen=True):
    """What to look for."""

    query: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


class SearchDocumentsTool:
    """Finds passages; what they say is nobody's word here."""

    name = "search_documents"
    description = "Search the household's documents."
    arguments = Query

    def __init__(self, searcher: Searcher) -> None:
        self._searcher = searcher

    def effect(self, arguments: Query, occasion: Occasion) -> Effect:
        """Say that it changes nothing."""
        del arguments, occasion
        return Effect(summary="search the documents")

    async def run(self, arguments: Query, occasion: Occasion) -> Outcome:
        """Return the best passages that the person may see."""
        hits = await self._searcher.search(arguments.query, _visible(occasion.principal), FOUND)
        if not hits:
            return Outcome(text="Nothing was found.")
        quotes = tuple(_quote(found_in(hit)) for hit in hits)
        return Outcome(text=numbered(quotes), untrusted=True, quotes=quotes)


def _quote(found: Found) -> Quote:
    return Quote(
        text=found.text[:LONGEST_PASSAGE], source=found.document, title=found.title, where=found.where,
        url=found.url, place=found.position,
    )  # fmt: skip


def _visible(principal: Principal) -> Filters:
    return Filters(principal=principal.id, shared=principal.role != "guest", sources=(SOURCE,))
