"""Questions that wait for the cloud: “ask when you are online …”.

They lie in the outbox, so a restart loses none, and leave it when their answer stands in the
conversation. What is asked later is the question alone, without its conversation.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from typing import Literal

import msgspec

from edge_assistant.assistant.assistant import Assistant
from edge_assistant.assistant.events import Route, TurnFinished
from edge_assistant.assistant.ladder import Question, QuickAnswer
from edge_assistant.assistant.personas import system_prompt
from edge_assistant.assistant.request import Principal, Request
from edge_assistant.assistant.routing import Elsewhere, when_online
from edge_assistant.assistant.turn import FinalEvent
from edge_assistant.config import Config
from edge_assistant.errors import BusyError, EdgeError, UsageError
from edge_assistant.llm.protocol import Generation, Message, Piece, Sampling
from edge_assistant.store.outbox import Letter, Outbox
from edge_assistant.workers.backoff import Backoff, RestartPolicy

logger = logging.getLogger(__name__)

LANE = "cloud"
TOPIC = "deferred question"
"""Names these letters; none is ever published as it is."""

LASTS_SECONDS = 7 * 86_400.0

AGAIN = RestartPolicy(first_seconds=2.0, longest_seconds=300.0, healthy_seconds=1.0)
"""Pauses between tries while the cloud does not answer."""

_GONE = frozenset({"SESSION_NOT_FOUND", "TURN_NOT_FOUND"})
"""The conversation is not there any more, or somebody else's."""

_HOPELESS = frozenset({"CLOUD_TOO_LONG", "CLOUD_REFUSED"})
_ITS_OWN = frozenset({"CLOUD_FAILED", "CLOUD_LATE"})
"""Somebody took the question and made no answer of it: that may be the question's fault."""

MOST_FAILURES = 20
"""So often, over an hour or more; then the question holds up no others and costs no more."""

MOST_TURNS = 4
"""Turns that may break off, by power cuts or a full disk, before an answer stands in its conversation."""

_GERMAN = re.compile(r"\b(?:wenn|sobald)\b", re.IGNORECASE)
_LATER = {
    "en": "I am not online now. I will ask as soon as I am; the answer will stand here.",
    "de": "Ich bin gerade nicht online. Sobald ich es bin, frage ich; die Antwort steht dann hier.",
}
_GAVE_WAY = {
    "en": "So much waits already that the oldest question had to give way.",
    "de": "Es wartet schon so viel, dass die älteste Frage weichen musste.",
}
_FAILED = {
    "en": "The cloud could not answer this ({}).",
    "de": "Die Cloud konnte das nicht beantworten ({}).",
}


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """The payload of a letter."""

    session: str
    text: str
    role: Literal["owner", "member"]
    language: Literal["en", "de"] = "en"
    """Of the sentence that asked for it."""


class Deferred:
    """Keeps questions, and asks them when there is a link. `run` it as a task."""

    def __init__(self, elsewhere: Elsewhere, outbox: Outbox, config: Config) -> None:
        self._elsewhere = elsewhere
        self._outbox = outbox
        self._config = config
        self._backoff = Backoff(AGAIN)
        self._wanted = asyncio.Event()
        self._arrived: tuple[str, QuickAnswer] | None = None
        """The id of the oldest letter and its answer, while that is on its way into its conversation."""
        self._failures = ("", 0)
        """The id of a letter, and how often in a row somebody took it and did not answer."""

    @property
    def online(self) -> bool:
        """Whether the cloud can be asked now."""
        return self._elsewhere.online

    def configure(self, config: Config) -> None:
        """Speak from now on as `config` says; without consent nothing that waits is asked."""
        self._config = config
        self._wanted.set()

    async def keep(self, question: Question, text: str) -> str | None:
        """Keep a question for later and return what to say; None when it may not leave at all."""
        request = question.request
        if request.principal.role == "guest" or not await self._elsewhere.may_ask(question, text):
            return None
        waiting = Waiting(
            session=request.session, text=text, role=request.principal.role,
            language="de" if _GERMAN.search(request.text.removesuffix(text)) else "en",
        )  # fmt: skip
        gave_way = self._outbox.gave_way
        await self._outbox.add(
            TOPIC, msgspec.json.encode(waiting), principal=request.principal.id,
            lasts_seconds=LASTS_SECONDS, deferrable=True,
        )  # fmt: skip
        self._wanted.set()
        said = _LATER[waiting.language]
        return f"{said} {_GAVE_WAY[waiting.language]}" if self._outbox.gave_way > gave_way else said

    def arrived(self, turn_id: str) -> QuickAnswer | None:
        """Return the answer of a turn that was asked elsewhere before it began."""
        if self._arrived is None or turn_id not in _turn_ids(self._arrived[0]):
            return None
        return self._arrived[1]

    async def go_on(self) -> None:
        """Take that there is a link again."""
        self._wanted.set()

    async def run(self, assistant: Assistant) -> None:
        """Ask what waits, the oldest first, until cancelled."""
        while True:
            self._wanted.clear()
            seconds: float | None = None
            try:
                agreed = self._elsewhere.policy.consent != "never"
                if agreed and self.online and await self._deliver_oldest(assistant):
                    self._backoff = Backoff(AGAIN)
                    continue
            except EdgeError as error:
                logger.info("a deferred question waits on: %s", error.code)
                seconds = self._backoff.after(0.0)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._wanted.wait()

    async def _deliver_oldest(self, assistant: Assistant) -> bool:
        """Return whether a question waited and is done with; raises while it has to wait on."""
        for letter in await self._outbox.waiting(1):
            try:
                await self._deliver(letter, assistant)
            except (UsageError, msgspec.MsgspecError) as error:
                logger.warning("a deferred question can't be answered: %s", type(error).__name__)
            except EdgeError as error:
                if error.code not in _GONE:
                    raise
            await self._outbox.acknowledge(letter.id)
            self._arrived = None
            return True
        self._arrived = None  # its letter was forgotten meanwhile
        return False

    async def _deliver(self, letter: Letter, assistant: Assistant) -> None:
        """Ask one question and put its answer where it was asked; raises while it has to wait on.

        A turn that broke off stays as it is; the answer, which is not asked for again, gets another one.
        """
        waiting = msgspec.json.decode(letter.payload, type=Waiting)
        principal = Principal(letter.principal, waiting.role)
        for name in _turn_ids(letter.id):
            turn = await assistant.turn(name, principal)
            if turn is None:
                if self._arrived is None or self._arrived[0] != letter.id:
                    self._arrived = (letter.id, await self._ask(letter, waiting))
                request = Request(id=name, text=waiting.text, session=waiting.session, principal=principal)
                turn = await assistant.start(msgspec.structs.replace(request, source="cloud"))
            if _stands(await turn.wait(), rebuilt=turn.rebuilt):
                return
        logger.warning("the answer to a deferred question can't be put down")

    async def _ask(self, letter: Letter, waiting: Waiting) -> QuickAnswer:
        messages = (Message("system", system_prompt(self._config)), Message("user", waiting.text))
        sampling = Sampling(max_tokens=self._config.llm.max_tokens, temperature=self._config.llm.temperature)
        generation = Generation(id="", messages=messages, sampling=sampling, public=False)
        if not await self._elsewhere.affords(generation):
            raise BusyError("CLOUD_BUDGET", "this month's budget for the cloud is used up", retry_after=3600)
        await self._elsewhere.note(letter.principal, generation)
        model, said = self._elsewhere.model, ""
        stream = model.generate(generation)
        try:
            async for item in stream:
                said += item.text if isinstance(item, Piece) else ""
        except EdgeError as error:
            if not self._gives_up(letter, error):
                raise
            said = _FAILED[waiting.language].format(error.code)
        finally:
            await self._elsewhere.spend(generation, stream.completion, len(said))
        route = Route(rung="cloud", model=model.status.name, reason="you asked for the cloud when online")
        return QuickAnswer(text=said or _FAILED[waiting.language].format("CLOUD_FAILED"), route=route)

    def _gives_up(self, letter: Letter, error: EdgeError) -> bool:
        """Whether no other try would end better."""
        if error.code in _ITS_OWN:
            failed = self._failures[1] if self._failures[0] == letter.id else 0
            self._failures = (letter.id, failed + 1)
            return failed + 1 >= MOST_FAILURES
        return error.code in _HOPELESS


def _turn_ids(letter_id: str) -> tuple[str, ...]:
    """Return the ids of the turns that may hold the answer to a letter, in the order of their use."""
    return (letter_id, *(f"{letter_id}-{number}" for number in range(2, MOST_TURNS + 1)))


def _stands(ended: FinalEvent, *, rebuilt: bool) -> bool:
    """Whether a turn holds its answer, or somebody stopped it; one that a power cut ended does not."""
    return isinstance(ended, TurnFinished) and not (rebuilt and ended.status == "interrupted")


class DeferringRung:
    """Keeps a question that shall be asked when online, while there is no link."""

    def __init__(self, deferred: Deferred) -> None:
        self._deferred = deferred

    async def attempt(self, question: Question) -> QuickAnswer | None:
        """Return that it will be asked; None with a link, or when it may not leave."""
        text = when_online(question.request.text)
        if not text or self._deferred.online:
            return None
        said = await self._deferred.keep(question, text)
        if said is None:
            return None
        route = Route(
            rung="local", model="", reason="the cloud's broker can't be reached: the question waits"
        )
        return QuickAnswer(text=said, route=route)


class ArrivedRung:
    """Gives the answers that came for questions of earlier."""

    def __init__(self, deferred: Deferred) -> None:
        self._deferred = deferred

    async def attempt(self, question: Question) -> QuickAnswer | None:
        """Return the answer that is there already."""
        return self._deferred.arrived(question.turn.id)
