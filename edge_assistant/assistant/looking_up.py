"""Looking things up in the library: what a question brings along, and answers that need no model.

A passage that fits is a better answer than what a small model makes of it; and a question about documents
that none of them answers is told so, instead of being guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from edge_assistant.assistant.events import Route
from edge_assistant.assistant.ladder import Passage, Question, QuickAnswer
from edge_assistant.assistant.quoting import asks, may_be_quoted
from edge_assistant.assistant.request import Principal, Request
from edge_assistant.documents.document import Found
from edge_assistant.documents.excerpt import excerpt
from edge_assistant.documents.library import Library, Reader

NAME = "documents"

RELEVANT = 0.30
"""Similarity from which a passage may help, on the scale of the starter embedder (docs/benchmarks.md)."""

TELLING = 0.36
"""From here on a small model is given a passage at all: of what fits less it makes things up."""

CLEAR = 0.50
"""From here on the passage itself is the answer, when it also holds the question's telling words."""

VERY_CLEAR = 0.65
"""From here on also without them: it says the same in other words."""

WORDS_RELEVANT = 0.5
WORDS_CLEAR = 0.34
"""Share of the question's telling words that stand in a passage. Alone it must be half of them."""

CHARACTERS_PER_TOKEN = 4

_ABOUT_DOCUMENTS = re.compile(
    r"\baccording to\b|\b(?:my|our|the|these|any)\s+(?:\w+\s+){0,2}?(?:documents?|papers|pdfs?|files|manuals?"
    r"|handbook|library|notion)\b|\b(?:my|our)\s+(?:\w+\s+)?notes\b|\blaut\b"
    r"|\b(?:meine?[nmr]?|unsere?[nmr]?|de[rnm]|die|das)\s+(?:\w+\s+)?(?:dokumente?n?|unterlagen|handbuch"
    r"|anleitung|bibliothek|pdfs?)\b|\b(?:meine[nr]?|unsere[nr]?)\s+notizen\b",
    re.IGNORECASE,
)
_SILENT = {
    "en": ("Your documents don't tell.", "There are no documents in the library yet."),
    "de": ("In deinen Dokumenten steht dazu nichts.", "In der Bibliothek sind noch keine Dokumente."),
}


class Judged(msgspec.Struct, frozen=True):
    """How well a passage fits."""

    relevant: bool
    clear: bool
    score: float


def judge(found: Found) -> Judged:
    """Tell whether a passage may help, and whether it is the answer."""
    if not found.similarity:  # no vector yet, or no embedder on this device: words alone decide
        return Judged(found.overlap >= WORDS_RELEVANT, False, round(found.overlap * CLEAR, 3))
    similarity = found.similarity
    relevant = similarity >= RELEVANT
    clear = similarity >= VERY_CLEAR or (similarity >= CLEAR and found.overlap >= WORDS_CLEAR)
    return Judged(relevant, clear, round(min(similarity, 1.0), 3))


class LookingUp:
    """Finds passages that may help with a question; a `ContextSource`."""

    name = NAME

    def __init__(
        self, library: Library, model_is_weak: Callable[[], bool], *, top_k: int, budget_tokens: int
    ) -> None:
        self._library = library
        self._model_is_weak = model_is_weak
        self._top_k = top_k
        self._characters = budget_tokens * CHARACTERS_PER_TOKEN

    async def retrieve(self, request: Request) -> Sequence[Passage]:
        """Return the passages that fit, the best first; shared ones for those who live here."""
        reader = reader_of(request.principal)
        if await self._library.is_empty(reader):
            return ()
        found = await self._library.search(request.text, reader, k=self._top_k)
        return self._within_budget([_passage(each) for each in found if self._may_help(each)])

    def _may_help(self, found: Found) -> bool:
        unsure = 0 < found.similarity < TELLING
        return judge(found).relevant and not (unsure and self._model_is_weak())

    def _within_budget(self, passages: list[Passage]) -> list[Passage]:
        kept: list[Passage] = []
        for passage in sorted(passages, key=lambda each: -each.score):
            used = sum(len(each.text) for each in kept)
            if not kept or used + len(passage.text) <= self._characters:
                kept.append(passage)
        return kept


class PassageRung:
    """Answers with the passage itself when it clearly fits, and says so when nothing does."""

    def __init__(
        self,
        library: Library,
        who: Literal["auto", "passage", "model"],
        model_is_weak: Callable[[], bool],
        language: str = "en",
    ) -> None:
        self._library = library
        self._who = who
        self._model_is_weak = model_is_weak
        self._language = language

    async def attempt(self, question: Question) -> QuickAnswer | None:
        """Return the passage, or that the documents don't tell, or None: then the model shall answer."""
        text = question.request.text
        found = [(n, p) for n, p in enumerate(question.passages, start=1) if p.kind == "document"]
        if found:
            n, best = max(found, key=lambda each: each[1].score)
            fits = best.clear or (_ABOUT_DOCUMENTS.search(text) and self._model_is_weak())
            return self._quote(n, best, text) if fits and self._may_quote(text) else None
        if _ABOUT_DOCUMENTS.search(text) and asks(text) and not _was_unsearchable(question):
            return await self._say_nothing_is_told(question.request)
        return None

    def _may_quote(self, text: str) -> bool:
        if self._who == "model" or not may_be_quoted(text):
            return False
        return self._who == "passage" or self._model_is_weak()

    def _quote(self, n: int, passage: Passage, question: str) -> QuickAnswer:
        origin = ", ".join(part for part in (passage.title, passage.where) if part)
        route = Route(rung="extractive", model="", reason=f"a passage of {origin} answers it"[:200])
        return QuickAnswer(text=f"{excerpt(passage.text, question)} [{n}]", route=route)

    async def _say_nothing_is_told(self, request: Request) -> QuickAnswer:
        silent, empty = _SILENT.get(self._language[:2], _SILENT["en"])
        nothing = await self._library.is_empty(reader_of(request.principal))
        route = Route(rung="extractive", model="", reason="no document fits the question")
        return QuickAnswer(text=empty if nothing else silent, route=route, weak=True)


def reader_of(principal: Principal) -> Reader:
    """Return what a person sees of the library: guests only what they put there."""
    return Reader(principal.id, shared=principal.role != "guest")


def _was_unsearchable(question: Question) -> bool:
    return any(f"The {NAME} could not be searched" in notice for notice in question.notices)


def _passage(found: Found) -> Passage:
    judged = judge(found)
    return Passage(
        text=found.text,
        kind="document",
        source=found.document,
        title=found.title,
        where=found.where,
        url=found.url,
        score=judged.score,
        clear=judged.clear,
        place=found.position,
    )
