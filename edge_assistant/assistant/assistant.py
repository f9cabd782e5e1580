"""The one way a turn is answered. Frontends start turns, watch them, leave and come back."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any

import msgspec

from edge_assistant.assistant.acting import understood
from edge_assistant.assistant.answer import CANCEL_SECONDS, Answer
from edge_assistant.assistant.events import ContextRetrieved
from edge_assistant.assistant.ladder import Extensions
from edge_assistant.assistant.recorded import recorded_events
from edge_assistant.assistant.request import HOUSEHOLD, Confirms, Function, Principal, Request
from edge_assistant.assistant.rung import ModelRung
from edge_assistant.assistant.stateless import StatelessAnswer
from edge_assistant.assistant.steps import ActingAnswer
from edge_assistant.assistant.text import clean_text
from edge_assistant.assistant.thread import Threads
from edge_assistant.assistant.turn import Turn
from edge_assistant.config import Config
from edge_assistant.errors import BusyError, EdgeError, UsageError
from edge_assistant.llm.protocol import LanguageModel
from edge_assistant.memory.conversations import Conversations
from edge_assistant.people.person import HOUSEHOLD_ID
from edge_assistant.store.erase import Document, Memory, Person, Sessions, Subject, Topic

logger = logging.getLogger(__name__)

WAITING_PER_SESSION = 8
WAITING = 64
"""Turns that may wait for a session or for the model, besides those that are being answered."""

WAITING_PER_PERSON = 48
"""Turns of one person among them: the rest of the line is kept for others."""

LONGEST_HINT_SECONDS = 60.0
"""Nobody is told to come back later than this: by then much may have changed."""

REMEMBERED = 64
"""Finished turns whose events are kept piece by piece; older ones are rebuilt from the store."""

PREPARED = 16
"""Prompts prepared at the same time; more are not worth the reading."""

STORE_SECONDS = 5.0
"""How long storing may take when the assistant closes, after the model had its time to stop."""

_Line = tuple[str, str]
"""Principal and session: nobody waits behind a stranger who guessed a session's id.

All who live here are one principal to a conversation of the household.
"""


class Assistant:
    """Answers requests, each as a turn that it owns until its end."""

    def __init__(
        self,
        config: Config,
        conversations: Conversations,
        model: LanguageModel,
        extensions: Extensions = Extensions(),  # noqa: B008 - it never changes
    ) -> None:
        self.model = model
        self._extensions = extensions
        self._conversations = conversations
        self._rung = ModelRung(config, conversations, model)
        self._parallel = config.llm.parallel
        self._steps = config.tools.steps
        self._threads = Threads()
        self._turns: dict[str, Turn] = {}
        self._remembered: deque[str] = deque()
        self._lines: dict[_Line, list[Turn]] = {}
        self._tasks: dict[Turn, asyncio.Task[None]] = {}
        self._preparing: dict[_Line, asyncio.Task[None]] = {}
        self._watchers: list[Callable[[Turn], None]] = []
        self._closing = False
        self.refused = 0
        """Requests that were turned away because too many waited."""
        self._turn_seconds = 5.0
        """Running mean of what a turn takes, for hints when to come back."""

    def configure(self, config: Config) -> None:
        """Speak from the next turn on as `config` says: name, persona, language."""
        self._rung.configure(config)

    def offer(self, functions: Sequence[Function]) -> None:
        """Let the model call these tools from the next turn on."""
        self._rung.offer(functions)

    @property
    def active(self) -> int:
        """Turns that are answered or wait."""
        return len(self._tasks)

    @property
    def waiting(self) -> int:
        """Turns among them that wait for a place of the model."""
        return self._rung.waiting

    def watch_turns(self, watcher: Callable[[Turn], None]) -> None:
        """Call `watcher` whenever a turn, whoever's, has begun or ended; it may not block or fail."""
        self._watchers.append(watcher)

    def running(self, principal: Principal) -> list[Turn]:
        """Return the turns of a person that have not ended, the newest first."""
        return [turn for turn in reversed(list(self._tasks)) if turn.principal.id == principal.id]

    async def start(self, request: Request) -> Turn:
        """Return the turn of `request` once its message is stored durably.

        The turn then runs to its end whoever watches. Repeating an id returns the known turn and
        runs nothing, whatever the text. Raises `UsageError` TEXT_EMPTY, TEXT_TOO_LONG, BAD_ID;
        SESSION_NOT_FOUND, TURN_NOT_FOUND when an id is somebody else's; `BusyError` BUSY or
        SHUTTING_DOWN with `retry_after`; CONFIRMATION_GONE, NOTHING_TO_CONFIRM; `StoreError` when the
        message can't be stored.
        """
        turn = self._known(request.id, request.principal)
        if turn is None:
            if request.brought is None:
                request = self._understood(msgspec.structs.replace(request, text=clean_text(request.text)))
            turn = self._admit(request)
        await asyncio.shield(turn.accepted)
        return turn

    async def confirm(self, confirms: Confirms, principal: Principal, source: str, turn_id: str = "") -> Turn:
        """Return the turn that carries out a person's answer to our question, in its conversation.

        One that comes twice counts once; one with a PIN may be tried again. Raises NOTHING_TO_CONFIRM,
        CONFIRMATION_GONE, CONFIRMATION_NOT_YOURS, and as `start`.
        """
        actions = self._extensions.actions
        if actions is None:
            raise UsageError("NOTHING_TO_CONFIRM", "this device asks for no confirmation")
        once = f"{confirms.action}-{'yes' if confirms.approve else 'no'}"
        name = turn_id or (uuid.uuid4().hex if confirms.pin else once)
        known = self._known(name, principal)
        if known is not None:
            return known
        occasion = actions.confirmations.look(confirms.action, principal).occasion
        own = occasion.principal.id in {principal.id, self._line(occasion.session, principal)[0]}
        return await self.start(
            Request(
                id=name, text="Yes." if confirms.approve else "No.", principal=principal, source=source,
                session=occasion.session if own else name, confirms=confirms,
            )
        )  # fmt: skip

    def _understood(self, request: Request) -> Request:
        """Return the request as an answer to our open question, when it is one; raises when it can't be."""
        actions = self._extensions.actions
        if actions is None:
            if request.confirms is not None:
                raise UsageError("NOTHING_TO_CONFIRM", "this device asks for no confirmation")
            return request
        shared = self._line(request.session, request.principal)[0] != request.principal.id
        return understood(request, actions, HOUSEHOLD if shared else request.principal)

    async def turn(self, turn_id: str, principal: Principal) -> Turn | None:
        """Return a turn of `principal`, running or finished, or None when there is none.

        A turn that is no longer remembered is rebuilt from the store, see `Turn.events`.
        """
        try:
            turn = self._known(turn_id, principal)
        except EdgeError:
            return None
        if turn is not None:
            return turn
        stored = await self._conversations.turn(turn_id, principal.id)
        if stored is None:
            return None
        turn = Turn(stored.turn_id, stored.session, principal)
        turn.replay(recorded_events(stored))
        turn.accepted.set_result(None)
        return turn

    async def prepare(self, session: str, principal: Principal, partial_text: str) -> None:
        """Let the model read ahead what will probably be asked; returns at once and never fails.

        A newer call for the same session replaces the older, a turn of the session ends it.
        """
        line = self._line(session, principal)
        self._stop_preparing(line)
        if self._closing or line in self._lines or len(self._preparing) >= PREPARED:
            return
        self._begin_preparing(line, self._prepare(session, principal, partial_text))

    async def forget_session(self, session: str, principal: Principal) -> None:
        """Erase a session: its running turns end, its rows, events and KV go.

        Raises SESSION_NOT_FOUND when it isn't there or is somebody else's, SESSION_NOT_YOURS when it
        is the household's.
        """
        if session in self._conversations.shared:
            await self._conversations.check_erasable(session, principal.id)
        line = self._line(session, principal)
        self._stop_preparing(line)
        turns = list(self._lines.get(line, ()))
        await asyncio.gather(*(turn.cancel() for turn in reversed(turns)))
        await asyncio.gather(*(turn.wait() for turn in turns))
        await self._conversations.delete_session(session, principal.id)
        for turn in [turn for turn in self._turns.values() if turn.line == line and turn.finished]:
            self._turns.pop(turn.id)
        await self._forget(session)

    @contextlib.asynccontextmanager
    async def forgetting(self, subject: Subject) -> AsyncIterator[None]:
        """Hold still while a subject is forgotten: what runs of it ends, then its events and KV go."""
        sessions = await self._conversations.touched(subject)
        for line in [line for line in self._preparing if line[1] in sessions]:
            self._stop_preparing(line)
        turns = [turn for turn in self._tasks if _concerns(turn, subject)]
        await asyncio.gather(*(turn.cancel() for turn in reversed(turns)))
        await asyncio.gather(*(turn.wait() for turn in turns))
        yield
        await self._conversations.look_up_shared()
        for turn in [turn for turn in self._turns.values() if turn.session in sessions and turn.finished]:
            self._turns.pop(turn.id)
        threads = self._threads.take(subject.principal) if isinstance(subject, Person | Topic) else ()
        for conversation in (*sessions, *threads):
            await self._forget(conversation)

    async def _forget(self, conversation: str) -> None:
        try:
            await self.model.forget(conversation)
        except EdgeError as error:  # the key is gone with the row: what is left is noise
            logger.warning("%s: the model can't forget now: %s", conversation, error.code)

    async def close(self) -> None:
        """Interrupt what runs, store how far it got, and let nothing new begin."""
        self._closing = True
        for line in list(self._preparing):
            self._stop_preparing(line)
        tasks = list(self._tasks.values())
        for turn in reversed(list(self._tasks)):
            await _bounded(turn.cancel())
        if tasks:
            await asyncio.wait(tasks, timeout=CANCEL_SECONDS + STORE_SECONDS)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _line(self, session: str, principal: Principal) -> _Line:
        shared = session in self._conversations.shared and principal.role != "guest"
        return (HOUSEHOLD_ID if shared else principal.id), session

    def _known(self, turn_id: str, principal: Principal) -> Turn | None:
        turn = self._turns.get(turn_id)
        if turn is None or turn.principal.id == principal.id:
            return turn
        if self._line(turn.session, principal)[0] != HOUSEHOLD_ID:
            raise EdgeError("TURN_NOT_FOUND", "there is no such turn; send the message under a new id")
        return turn

    def _admit(self, request: Request) -> Turn:
        """Put a request into its session's line; raises `BusyError`."""
        line = self._line(request.session, request.principal)
        waiting = self._lines.get(line, [])
        self._check_room(request.principal, len(waiting))
        self._stop_preparing(line)
        turn = Turn(request.id, request.session, request.principal, request.source)
        turn.line = line
        previous = waiting[-1] if waiting else None
        answer = self._answer(turn, request, previous)
        self._turns[turn.id] = turn
        self._lines.setdefault(line, []).append(turn)
        task = asyncio.create_task(answer.run(), name=f"turn-{turn.id}")
        self._tasks[turn] = task
        task.add_done_callback(lambda _: self._ended(turn, answer))
        self._tell_watchers(turn)
        return turn

    def _answer(self, turn: Turn, request: Request, previous: Turn | None) -> Answer:
        if request.brought is not None:
            return StatelessAnswer(
                turn, request, self._conversations, self._rung, brought=request.brought, threads=self._threads
            )
        parts = (turn, request, self._conversations, self._rung, self._extensions)
        actions = self._extensions.actions
        if actions is None or not self._rung.functions:
            return Answer(*parts, previous=previous)
        return ActingAnswer(*parts, previous=previous, actions=actions, steps=self._steps)

    def _check_room(self, principal: Principal, in_session: int) -> None:
        if self._closing:
            raise BusyError("SHUTTING_DOWN", "the assistant is stopping; try again soon", retry_after=10)
        if in_session > WAITING_PER_SESSION:
            after = self._turn_seconds
            message = f"{in_session} messages of this conversation are waiting; send the next one later"
        elif len(self._tasks) >= WAITING + self._parallel:
            after = self._rung.wait_seconds
            message = "too many people ask at once; try again later"
        elif self._asked_by(principal) >= WAITING_PER_PERSON:
            after = self._rung.wait_seconds
            message = f"{WAITING_PER_PERSON} of your messages are waiting; send the next one later"
        else:
            return
        self.refused += 1
        hint = float(max(1, round(min(after, LONGEST_HINT_SECONDS))))
        raise BusyError("BUSY", message, retry_after=hint)

    def _asked_by(self, principal: Principal) -> int:
        return sum(turn.principal.id == principal.id for turn in self._tasks)

    def _tell_watchers(self, turn: Turn) -> None:
        for watcher in self._watchers:
            watcher(turn)

    def _ended(self, turn: Turn, answer: Answer) -> None:
        """Remember a finished turn for those who come back; forget a refused one."""
        del self._tasks[turn]
        self._tell_watchers(turn)
        line = self._lines[turn.line]
        line.remove(turn)
        if not line:
            del self._lines[turn.line]
        if not turn.accepted.done() or turn.accepted.exception() is not None:
            self._turns.pop(turn.id, None)
            return
        if isinstance(answer, StatelessAnswer):
            del self._turns[turn.id]  # whoever brought it keeps it
            return
        self._turn_seconds += (time.monotonic() - turn.created - self._turn_seconds) / 8
        self._remembered.append(turn.id)
        for replaced in answer.replaced:
            self._turns.pop(replaced, None)
        if len(self._remembered) > REMEMBERED:
            self._turns.pop(self._remembered.popleft(), None)
        if answer.read_notes and not (self._closing or turn.line in self._lines):
            self._begin_preparing(turn.line, self._refresh(turn.session))

    async def _prepare(self, session: str, principal: Principal, text: str) -> None:
        try:
            await self._conversations.session(session, principal.id)
            generation = await self._rung.generation(f"prepare-{session}", session, clean_text(text))
            await self.model.prepare(generation)
        except EdgeError as error:
            logger.debug("session %s: nothing prepared: %s", session, error.code)

    async def _refresh(self, session: str) -> None:
        """Read the newest turn again without its notes, so that the next question need not wait for it."""
        with contextlib.suppress(EdgeError):
            await self.model.prepare(await self._rung.generation(f"refresh-{session}", session, ""))

    def _begin_preparing(self, line: _Line, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=f"prepare-{line[1]}")
        self._preparing[line] = task
        task.add_done_callback(lambda done: self._prepared(line, done))

    def _stop_preparing(self, line: _Line) -> None:
        task = self._preparing.pop(line, None)
        if task is not None:
            task.cancel()

    def _prepared(self, line: _Line, task: asyncio.Task[None]) -> None:
        if self._preparing.get(line) is task:
            del self._preparing[line]
        if not task.cancelled() and (error := task.exception()):
            logger.error("preparing failed: %s", type(error).__name__, exc_info=error)


def _concerns(turn: Turn, subject: Subject) -> bool:
    match subject:
        case Sessions(ids):
            return turn.session in ids
        case Person(principal=who) | Topic(principal=who) | Memory(principal=who):
            return turn.principal.id == who
        case Document(id=identity):
            told = [event for event in turn.history if isinstance(event, ContextRetrieved)]
            return not told or any(source.source == identity for event in told for source in event.items)
        case _:
            return False


async def _bounded(work: Coroutine[Any, Any, None]) -> None:
    """Wait for a request to stop, but not for a model that doesn't even take it."""
    try:
        async with asyncio.timeout(CANCEL_SECONDS):
            await work
    except TimeoutError:
        logger.warning("the model takes no request to stop")
