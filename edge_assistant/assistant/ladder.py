"""The answer ladder: the cheapest rung that can answer well wins.

Intent templates act without a model; the passage itself answers when retrieval is strong; the model
answers the rest, with what was retrieved. Rungs and sources come from other rooms and are put
together in `app.py`. One that fails is passed over: the next rung still answers.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

from edge_assistant.assistant.events import Route, Source, TurnFinished
from edge_assistant.assistant.request import Request
from edge_assistant.assistant.turn import Turn
from edge_assistant.tools.actions import Actions

if TYPE_CHECKING:
    from edge_assistant.assistant.routing import Elsewhere

logger = logging.getLogger(__name__)

Kind = Literal["memory", "document"]


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of text that was retrieved for one turn."""

    text: str
    kind: Kind
    source: str
    """Id of the memory or document it is from."""
    title: str = ""
    where: str = ""
    """Place within the source, such as `page 3` or a heading."""
    url: str = ""
    score: float = 0.0
    """How well it fits, from 0 to 1; comparable within one source of context only."""
    clear: bool = False
    """Whether its source is sure that it is the answer, not only of help."""
    place: int = 0
    """Number of the piece within its source, from 0."""
    trusted: bool = False
    """Whether it is the person's own words. Everything else is data that may try to give orders."""


@dataclass
class Question:
    """One turn on its way up the ladder."""

    request: Request
    turn: Turn
    """For events that a rung tells by `turn.append`, with `seq=turn.seq + 1`."""
    passages: tuple[Passage, ...] = ()
    """Set once retrieval is done; rungs before it see none."""
    notices: list[str] = field(default_factory=list)
    """Lines for the person, such as that a source can't be searched now."""


class QuickAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer that needed no model."""

    text: str
    route: Route
    weak: bool = False
    """Whether it only says that nothing was found: a model elsewhere may know more."""


class QuickRung(Protocol):
    """Answers without a model, or lets the next rung try."""

    async def attempt(self, question: Question) -> QuickAnswer | None:
        """Return the answer, or None when this is not for this rung."""
        ...


class ContextSource(Protocol):
    """Finds what may help with a question: memories, documents."""

    @property
    def name(self) -> str:
        """What it searches, as people call it: `documents`."""
        ...

    async def retrieve(self, request: Request) -> Sequence[Passage]:
        """Return passages that this principal may see, best first, within the source's own budget."""
        ...


class TurnListener(Protocol):
    """Learns from finished turns."""

    async def turn_ended(self, request: Request, answer: TurnFinished) -> None:
        """Take note of a stored answer; returns soon, long work is queued. Its errors are logged."""
        ...


@dataclass(frozen=True)
class Extensions:
    """What other rooms add to the assistant, each in the order in which it is asked."""

    intents: Sequence[QuickRung] = ()
    """Tried before anything is retrieved."""
    sources: Sequence[ContextSource] = ()
    """Searched at the same time."""
    extractive: Sequence[QuickRung] = ()
    """Tried after retrieval, before the model."""
    listeners: Sequence[TurnListener] = ()
    actions: Actions | None = None
    """What can be done, and under which rules; None when nothing can."""
    elsewhere: Elsewhere | None = None
    """A model elsewhere, when there is one; tried before the model here when policy and need say so."""


def merged(parts: Sequence[Extensions]) -> Extensions:
    """Return what several rooms add, in their order; at most one of them brings `actions`."""
    return Extensions(
        intents=[rung for part in parts for rung in part.intents],
        sources=[source for part in parts for source in part.sources],
        extractive=[rung for part in parts for rung in part.extractive],
        listeners=[listener for part in parts for listener in part.listeners],
        actions=next((part.actions for part in parts if part.actions is not None), None),
        elsewhere=next((part.elsewhere for part in parts if part.elsewhere is not None), None),
    )


async def first_answer(rungs: Sequence[QuickRung], question: Question) -> QuickAnswer | None:
    """Return the answer of the first rung that has one; a rung that fails has none."""
    for rung in rungs:
        try:
            answer = await rung.attempt(question)
        except Exception as error:  # noqa: BLE001 - the next rung can still answer
            _log(question, type(rung).__name__, error)
            continue
        if answer is not None:
            return answer
    return None


async def retrieve(sources: Sequence[ContextSource], question: Question) -> tuple[Passage, ...]:
    """Search every source at once; one that fails is named in a notice and the others count."""
    return tuple(p for found in await asyncio.gather(*(_search(s, question) for s in sources)) for p in found)


async def tell(listeners: Sequence[TurnListener], request: Request, answer: TurnFinished) -> None:
    """Tell every listener about a finished turn."""
    for listener in listeners:
        try:
            await listener.turn_ended(request, answer)
        except Exception:  # the answer is given and stored
            logger.exception("turn %s: %s failed", request.id, type(listener).__name__)


def cited(passages: Sequence[Passage]) -> tuple[Source, ...]:
    """Return the passages as people see them below an answer, numbered from 1.

    The title of a memory is meant for the model: a page says in its own words whose it is.
    """
    return tuple(
        Source(
            n=n, kind=p.kind, source=p.source, title="" if p.kind == "memory" else p.title, where=p.where,
            url=p.url, place=p.place, mine=p.kind == "memory" and p.trusted,
        )
        for n, p in enumerate(passages, start=1)
    )  # fmt: skip


async def _search(source: ContextSource, question: Question) -> Sequence[Passage]:
    try:
        return await source.retrieve(question.request)
    except Exception as error:  # noqa: BLE001 - an answer without this source beats none
        _log(question, source.name, error)
        question.notices.append(f"The {source.name} could not be searched for this answer.")
        return ()


def _log(question: Question, part: str, error: Exception) -> None:
    logger.warning("turn %s: %s: %s", question.turn.id, part, type(error).__name__, exc_info=error)
