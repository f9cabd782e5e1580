"""Long-term memory in turns: what a person says is learnt after it, what helps is recalled before.

Learnt is only what the person wrote, never what was retrieved for it, what a tool said or what the
assistant answered. The rules that find statements need a fraction of a millisecond; storing and
embedding them is background work, which the person's next question waits for, so that a correction
is in force in the very next turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence

from edge_assistant.assistant.events import Route, TurnFinished
from edge_assistant.assistant.ladder import Passage, Question, QuickAnswer
from edge_assistant.assistant.quoting import may_be_quoted
from edge_assistant.assistant.request import Request
from edge_assistant.config.schema import Memory as MemorySettings
from edge_assistant.errors import EdgeError
from edge_assistant.memory.fact import Fact, Provenance, Recalled
from edge_assistant.memory.facts import Facts
from edge_assistant.memory.recall import is_personal
from edge_assistant.memory.statement import Statement, alias_of, statements
from edge_assistant.store.erase import Subject

logger = logging.getLogger(__name__)

WAIT_SECONDS = 3.0
"""How long a question waits for what its person said before; then it is answered without."""

SURE = 0.4
"""Score from which a memory can be the answer itself: no unrelated question of `bench retrieval` has one."""

NEARLY_BEST = 0.85
MOST_QUOTED = 3
"""Memories below this share of the best one's score are not quoted beside it."""

QUEUED = 200
"""Messages that may wait to be learnt from; more are not learnt from, which is logged."""


class Learner:
    """Learns from finished turns; a `TurnListener`."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._last: dict[str, asyncio.Task[None]] = {}
        """What is being learnt of each person: one message after the other, in their order."""
        self._queued = 0

    async def turn_ended(self, request: Request, answer: TurnFinished) -> None:
        """Take note of what the person said; the work goes on after this returned."""
        del answer  # the assistant's own words are no source
        found = statements(request.text)
        if not found and not request.replaces:
            return
        if self._queued >= QUEUED:
            logger.warning("turn %s: not learnt from, too much waits", request.id)
            return
        who = request.principal.id
        self._queued += 1
        task = asyncio.create_task(
            self._learn(request, found, self._last.get(who)), name=f"learn-{request.id}"
        )
        self._last[who] = task
        task.add_done_callback(lambda done: self._done(who, done))

    async def settled(self, principal_id: str) -> None:
        """Wait until what a person said is learnt; not for ever."""
        if task := self._last.get(principal_id):
            await asyncio.wait([task], timeout=WAIT_SECONDS)

    @contextlib.asynccontextmanager
    async def forgetting(self, subject: Subject) -> AsyncIterator[None]:
        """Wait, before something is forgotten, until what is being learnt is there to be forgotten."""
        del subject
        if tasks := list(self._last.values()):
            await asyncio.wait(tasks, timeout=WAIT_SECONDS)
        yield

    async def stop(self) -> None:
        """Finish what was begun, within reason."""
        if tasks := list(self._last.values()):
            await asyncio.wait(tasks, timeout=WAIT_SECONDS)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _learn(
        self, request: Request, found: Sequence[Statement], before: asyncio.Task[None] | None
    ) -> None:
        if before is not None:
            await asyncio.wait([before])
        who = request.principal.id
        try:
            if request.replaces:
                await self._facts.forget_turn(request.replaces, who)
            provenance = Provenance(session=request.session, turn=request.id, source=request.source)
            await self._facts.learn(who, found, provenance)
        except EdgeError as error:
            logger.warning("turn %s: not learnt from: %s", request.id, error.code)

    def _done(self, who: str, task: asyncio.Task[None]) -> None:
        self._queued -= 1
        if self._last.get(who) is task:
            del self._last[who]
        if not task.cancelled() and (error := task.exception()):
            logger.error("learning failed: %s", type(error).__name__, exc_info=error)


class Remembering:
    """Recalls what a person said that helps with a question; a `ContextSource`."""

    name = "memory"

    def __init__(self, facts: Facts, learner: Learner, settings: MemorySettings) -> None:
        self._facts = facts
        self._learner = learner
        self._settings = settings

    async def retrieve(self, request: Request) -> Sequence[Passage]:
        """Return the facts that fit, the best first: the person's own and, who lives here, shared ones."""
        person = request.principal
        await self._learner.settled(person.id)
        found = await self._facts.recall(
            person.id,
            request.text,
            household=person.role != "guest",
            k=self._settings.top_k,
            tokens=self._settings.budget_tokens,
        )
        return [_passage(each, person.id) for each in found]


class RememberedRung:
    """Answers with what the person said, when it fits and the model is too small to be trusted with it."""

    def __init__(self, model_is_weak: Callable[[], bool], language: str = "en") -> None:
        self._model_is_weak = model_is_weak
        self._language = language

    async def attempt(self, question: Question) -> QuickAnswer | None:
        """Return up to three memories in their own words, or None: then the model shall answer."""
        text, passages = question.request.text, question.passages
        fitting = [(n, p) for n, p in enumerate(passages, start=1) if p.kind == "memory" and p.clear]
        elsewhere = any(p.clear for p in passages if p.kind != "memory")
        wanted = is_personal(text) and may_be_quoted(text) and not elsewhere
        if not fitting or not wanted or not self._model_is_weak():
            return None
        least = NEARLY_BEST * max(p.score for _, p in fitting)
        said = " ".join(self._quote(n, p) for n, p in fitting[:MOST_QUOTED] if p.score >= least)
        return QuickAnswer(
            text=said, route=Route(rung="extractive", model="", reason="somebody here said so")
        )

    def _quote(self, n: int, passage: Passage) -> str:
        if self._language.startswith("de"):
            who = "Du hast mir gesagt" if passage.trusted else "Mir wurde hier gesagt"
            return f"{who}: „{passage.text}“ [{n}]"
        who = "You told me" if passage.trusted else "Somebody here told me"
        return f"{who}: “{passage.text}” [{n}]"


def _passage(recalled: Recalled, who: str) -> Passage:
    fact = recalled.fact
    mine = fact.principal == who
    return Passage(
        text=fact.text,
        kind="memory",
        source=fact.id,
        title="I told you" if mine else "somebody here told you",
        where=_when(fact),
        score=recalled.score,
        clear=recalled.score >= SURE and not alias_of(fact.slot),
        trusted=mine,
    )


def _when(fact: Fact) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(fact.said_at))
