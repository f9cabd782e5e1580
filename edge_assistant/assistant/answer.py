"""The work behind one turn: store the message, wait for its place, climb the ladder, store the answer."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import time
from contextlib import AsyncExitStack
from typing import Literal

import msgspec

from edge_assistant.assistant.events import (
    ContextRetrieved,
    FunctionCall,
    PromptAdvanced,
    Route,
    Source,
    TextDelta,
    Timings,
    TurnFailed,
    TurnFinished,
    TurnQueued,
    TurnStarted,
    Usage,
)
from edge_assistant.assistant.ladder import (
    Extensions,
    Question,
    QuickAnswer,
    cited,
    first_answer,
    retrieve,
    tell,
)
from edge_assistant.assistant.recorded import recorded_events
from edge_assistant.assistant.request import HOUSEHOLD, Request
from edge_assistant.assistant.routing import Doubt, Elsewhere
from edge_assistant.assistant.rung import ModelRung
from edge_assistant.assistant.streams import UnsureError, doubted, joined
from edge_assistant.assistant.turn import Turn
from edge_assistant.errors import EdgeError
from edge_assistant.llm.protocol import Completion, Generation, Piece, Progress, Stream
from edge_assistant.memory.conversation import BeganTurn
from edge_assistant.memory.conversations import Conversations

logger = logging.getLogger(__name__)

CANCEL_SECONDS = 5.0
"""How long a model may take to stop; then the turn ends without it."""

DROPPED_NOTICE = (
    "The model can't read more at once: of older messages of this conversation only the gist stays in view."
)

KEEP_SECONDS = 5.0
"""How much of an answer a power cut may take."""

CUT_OFF_PRIVATE = Route(rung="local", model="", reason="stopped early", private=True)
"""What stands with a private message until it is answered: no crash takes the mark away."""

UNSURE = "the model on this device was unsure"

Status = Literal["complete", "interrupted", "truncated", "failed"]

_STATUS: dict[str, Status] = {"stop": "complete", "length": "truncated", "cancelled": "interrupted"}


class Answer:
    """Answers one request and tells its turn. `run` once; it ends the turn whatever happens."""

    def __init__(
        self,
        turn: Turn,
        request: Request,
        conversations: Conversations,
        rung: ModelRung,
        extensions: Extensions,
        *,
        previous: Turn | None,
    ) -> None:
        self._turn = turn
        self._request = request
        self._conversations = conversations
        self._rung = rung
        self._extensions = extensions
        # What all who live here can read is neither fed from nor remembered as what one of them confided.
        shared = turn.line[0] != request.principal.id
        audience = msgspec.structs.replace(request, principal=HOUSEHOLD) if shared else request
        self._question = Question(audience, turn)
        self._route = rung.route
        self.replaced: tuple[str, ...] = ()
        """Ids of the turns that this one took the place of."""
        self._sources: tuple[Source, ...] = ()
        self._calls: tuple[FunctionCall, ...] = ()
        self._previous = previous
        """The turn before this one in the same session, when it was still going on."""
        self._scope: asyncio.Timeout | None = None
        """Set while the work can be stopped; its deadline is the latest end after a stop."""
        self._stream: Stream | None = None
        self._quick = False
        """Whether a rung below the model answered."""
        self._pieces: list[str] = []
        self._token_ids: list[int] = []
        self._completion: Completion | None = None
        self._admitted = False
        """Whether this answer is counted against what the person may ask for."""
        self._doubt: Doubt | None = None
        """Set while the model here may turn out to be unsure, and give way."""
        self._begun = ""
        """What the model elsewhere said before it failed."""
        self._held: tuple[Piece, ...] = ()
        """What the model here said, and goes on after, when the one elsewhere was no help."""
        self._session_ms = 0.0
        self._place_ms = 0.0
        self._retrieve_ms = 0.0
        self._first_token_ms = 0.0
        turn.stop = self._stop

    async def run(self) -> None:
        """Carry the turn to its end; raises nothing but its own cancellation."""
        turn = self._turn
        try:
            if not await self._begin():
                return
            error = await self._work()
            await self._finish(error)
            await self._tell_listeners()
        except asyncio.CancelledError:
            self._fail(EdgeError("SHUTTING_DOWN", "the assistant stopped before it could answer; ask again"))
            raise
        except Exception as error:  # noqa: BLE001 - the edge at which a turn's errors are caught
            self._fail(as_edge_error(error, turn.id))
        finally:
            turn.stop = None

    @property
    def read_notes(self) -> bool:
        """Whether the model read what was retrieved, which later prompts don't hold."""
        return bool(self._question.passages) and self._stream is not None

    async def _begin(self) -> bool:
        """Store the message; False when the id is known, whose events the turn then has."""
        turn, request = self._turn, self._request
        if self._previous is not None:  # messages are stored in the order in which they came
            await asyncio.wait([self._previous.accepted])
        began = await self._store_message(request)
        self.replaced = began.replaced
        if began.new:
            turn.append(TurnStarted(id=turn.id, seq=1, session=request.session))
        else:
            turn.replay(recorded_events(began.turn))
        turn.accepted.set_result(None)
        return began.new

    async def _store_message(self, request: Request) -> BeganTurn:
        begin = functools.partial(
            self._conversations.begin_turn, request.id, request.session, request.principal.id, request.text,
            request.replaces, route=CUT_OFF_PRIVATE if request.private else None,
        )  # fmt: skip
        try:
            return await begin()
        except EdgeError as error:
            if error.code != "SESSION_NOT_FOUND":
                raise
        await self._conversations.ensure_session(request.session, request.principal.id)
        return await begin()

    async def _work(self) -> EdgeError | None:
        """Wait and generate until the end, a stop, or the error that is returned."""
        if self._turn.stopping:
            return None
        try:
            async with asyncio.timeout(None) as self._scope:
                if self._previous is not None:
                    with self._turn.stage("session"):
                        await self._previous.wait()
                self._session_ms = self._elapsed_ms()
                await self._climb_safely()
        except Exception as error:  # noqa: BLE001 - what was said so far is stored all the same
            if isinstance(error, TimeoutError) and self._turn.stopping:
                return None
            return as_edge_error(error, self._turn.id)
        finally:
            self._scope = None
        return None

    async def _climb_safely(self) -> None:
        """Climb, and keep from time to time what was said, so that a power cut takes no long answer."""
        keeping = asyncio.create_task(self._keep_parts(), name=f"keep {self._turn.id}")
        try:
            await self._climb()
        finally:
            keeping.cancel()

    async def _keep_parts(self) -> None:
        kept = 0
        while True:
            await asyncio.sleep(KEEP_SECONDS)
            if len(self._pieces) > kept:
                kept = len(self._pieces)
                with contextlib.suppress(EdgeError):  # a full disk is said when the whole is stored
                    await self._conversations.keep_part(
                        self._turn.id,
                        "".join(self._pieces),
                        route=self._marked_route(),
                        sources=self._sources,
                    )

    async def _climb(self) -> None:
        """Let the first rung that can answer do so; the model answers when no other does."""
        question, extensions = self._question, self._extensions
        quick = await first_answer(extensions.intents, question)
        if quick is None:
            await self._retrieve()
            quick = await first_answer(extensions.extractive, question)
        elsewhere = extensions.elsewhere
        if quick is not None and (elsewhere is None or not quick.weak):
            self._say(quick)
        elif elsewhere is None:
            await self._generate()
        else:
            await self._generate_somewhere(elsewhere, quick)

    async def _generate_somewhere(self, elsewhere: Elsewhere, nothing: QuickAnswer | None) -> None:
        """Let the model here or the one elsewhere answer; the one here takes over when that one fails.

        `nothing` says that nothing was found: then no model here makes something up.
        """
        generation = await self._generation()
        outlook = self._rung.outlook(generation, weak=nothing is not None)
        decision = await elsewhere.decide(self._question, generation, outlook)
        self._route = msgspec.structs.replace(self._route, reason=decision.reason)
        if decision.cloud and await self._ask_elsewhere(elsewhere, generation, decision.reason):
            return
        if nothing is not None and not self._begun:
            self._say(nothing)
            return
        self._doubt = Doubt(elsewhere.policy.unsure) if decision.watch else None
        try:
            await self._generate()
        except UnsureError as unsure:
            self._doubt = None
            if await self._ask_elsewhere(elsewhere, generation, UNSURE):
                return
            self._held = () if self._begun else unsure.held
            await self._generate()

    async def _ask_elsewhere(self, elsewhere: Elsewhere, generation: Generation, reason: str) -> bool:
        """Return whether the model elsewhere gave the answer, or somebody stopped it."""
        self._admit()
        asked = elsewhere.generation(self._rung.public_prompt, generation)
        await elsewhere.note(self._request.principal.id, asked)
        self._stream = stream = elsewhere.model.generate(asked)
        told = Route(rung="cloud", model=elsewhere.model.status.name, reason=reason)
        here, self._route = self._route, told
        try:
            async for item in stream:
                Answer._take(self, item)
        except EdgeError as error:
            logger.info("turn %s: the cloud failed: %s", self._turn.id, error.code)
            self._begun = "".join(self._pieces)
            why = f"{reason}, but the cloud failed ({error.code})"
            self._route = msgspec.structs.replace(here, reason=why)
            if self._begun:
                why += " in mid-answer: the model on this device went on"
                self._route = Route(rung="cloud", model=f"{told.model} + {here.model}", reason=why)
            return False
        finally:
            if stream.completion is None:  # nobody listens any more
                with contextlib.suppress(EdgeError):
                    await stream.cancel()
            said = sum(map(len, self._pieces))
            await elsewhere.spend(asked, stream.completion, said)
        self._completion = stream.completion
        return True

    async def _retrieve(self) -> None:
        if not self._extensions.sources:
            return
        before, turn = self._elapsed_ms(), self._turn
        with turn.stage("retrieve"):
            self._question.passages = await retrieve(self._extensions.sources, self._question)
        self._retrieve_ms = round(self._elapsed_ms() - before, 2)
        self._sources = cited(self._question.passages)
        if self._sources:
            turn.append(ContextRetrieved(id=turn.id, seq=turn.seq + 1, items=self._sources))

    def _say(self, quick: QuickAnswer) -> None:
        self._quick, self._route = True, quick.route
        self._first_token_ms = self._elapsed_ms()
        self._tell_text(quick.text, time.monotonic())

    async def _generate(self) -> None:
        generation = self._resumed(await self._generation())
        asked = self._elapsed_ms()
        async with AsyncExitStack() as stack:
            with self._turn.stage("queue"):
                self._admit()
                place = self._rung.place(self._request.principal, generation, self._tell_place)
                await stack.enter_async_context(place)
            self._place_ms = self._elapsed_ms() - asked
            with self._turn.stage("model"):
                await self._follow(generation)

    def _admit(self) -> None:
        """Count this answer, once however many models work on it; raises RATE_LIMITED."""
        if not self._admitted:
            self._rung.admit(self._request.principal)
        self._admitted = True

    async def _generation(self) -> Generation:
        request = self._request
        return await self._rung.generation(
            request.id, request.session, request.text, request.tokens_per_second, self._question.passages
        )

    def _tell_place(self, place: int, wait_seconds: float) -> None:
        turn, seconds = self._turn, round(wait_seconds, 1)
        turn.append(TurnQueued(id=turn.id, seq=turn.seq + 1, place=place, wait_seconds=seconds))

    def _resumed(self, generation: Generation) -> Generation:
        """Return what to ask the model here after an answer that was begun, elsewhere or here."""
        sampling = generation.sampling
        if self._doubt is not None:
            sampling = msgspec.structs.replace(sampling, certainty=True)
        ids = tuple(token for piece in self._held for token in piece.token_ids)
        begun = self._begun or generation.begun
        return msgspec.structs.replace(generation, sampling=sampling, begun=begun, continuation=ids)

    async def _follow(self, generation: Generation) -> None:
        held, self._held = self._held, ()
        for piece in held:
            self._take(piece)
        self._stream = stream = self._rung.model.generate(generation)
        pieces = doubted(stream, self._doubt) if self._doubt else stream
        try:
            async for item in joined(pieces, self._begun) if self._begun else pieces:
                self._take(item)
        finally:
            self._completion = stream.completion
            self._rung.learn(generation, stream.completion)
            if stream.completion is None:  # nobody listens any more
                with contextlib.suppress(EdgeError):
                    await stream.cancel()

    def _take(self, item: Progress | Piece) -> None:
        turn = self._turn
        if isinstance(item, Progress):
            turn.append(PromptAdvanced(id=turn.id, seq=turn.seq + 1, done=item.done, total=item.total))
            return
        self._token_ids += item.token_ids
        if item.text:
            self._first_token_ms = self._first_token_ms or self._elapsed_ms()
            self._tell_text(item.text, item.emitted_at)

    def _tell_text(self, text: str, at: float) -> None:
        self._pieces.append(text)
        self._turn.append(TextDelta(id=self._turn.id, seq=self._turn.seq + 1, text=text, at=at))

    async def _stop(self) -> None:
        """Make `_work` end soon: at once while it waits, else when the model has stopped."""
        if self._scope is None:
            return  # not begun, then it looks at `stopping`; or over
        now = asyncio.get_running_loop().time()
        if self._stream is None:
            self._scope.reschedule(now)
            return
        self._scope.reschedule(now + CANCEL_SECONDS)
        with contextlib.suppress(EdgeError):
            await self._stream.cancel()

    async def _finish(self, error: EdgeError | None) -> None:
        """Store the answer, then tell it."""
        turn = self._turn
        text, token_ids, status = self._result(error)
        self._route = route = self._marked_route()
        timings, usage = self._timings(), self._usage()
        with turn.stage("store"):
            await self._keep(text, token_ids, status, timings=timings, usage=usage, error=error)
        _log(turn, status, text, timings)
        if error is not None or status == "failed":
            self._fail(error or EdgeError("INTERNAL", "the answer failed; ask again"))
            return
        turn.append(
            TurnFinished(
                id=turn.id,
                seq=turn.seq + 1,
                text=text,
                status=status,
                route=route,
                timings=timings,
                usage=usage,
                sources=self._sources,
                calls=self._calls,
                notice=" ".join(self._question.notices),
            )
        )

    def _marked_route(self) -> Route:
        """Return the route, marked when nothing of it may leave later."""
        private = bool(self._question.passages) or self._request.private
        return msgspec.structs.replace(self._route, private=True) if private else self._route

    async def _keep(
        self,
        text: str,
        token_ids: tuple[int, ...],
        status: Status,
        *,
        timings: Timings,
        usage: Usage,
        error: EdgeError | None,
    ) -> None:
        """Store the answer, and that turns were left out."""
        await self._conversations.finish_turn(
            self._turn.id, text, token_ids, self._route.model, status, route=self._route, timings=timings,
            usage=usage, sources=self._sources, error_code=error.code if error else None,
        )  # fmt: skip
        self._turn.shorten = functools.partial(_shorten, self._conversations, self._turn.id, text)
        await self._drop_turns()

    async def _tell_listeners(self) -> None:
        answer = self._turn.last
        if isinstance(answer, TurnFinished):
            await tell(self._extensions.listeners, self._question.request, answer)

    def _result(self, error: EdgeError | None) -> tuple[str, tuple[int, ...], Status]:
        """Return text, token ids and status to store; ids never stand without their whole text."""
        text, done = "".join(self._pieces), self._completion
        status: Status = _STATUS[done.reason] if done else "complete" if self._quick else "interrupted"
        heard = self._turn.heard_characters
        if heard is not None and heard < len(text):
            return _heard(text, heard), (), "interrupted"
        ids = (done and done.token_ids) or tuple(self._token_ids)
        whole = text and not self._begun and self._route.rung != "cloud"
        return text, ids if whole else (), "failed" if error else status

    async def _drop_turns(self) -> None:
        """Start later prompts after the turns that did not fit, and tell that."""
        dropped = self._completion.dropped_turns if self._completion else 0
        if not dropped:
            return
        self._question.notices.append(DROPPED_NOTICE)
        try:
            await self._conversations.drop_turns(self._turn.session, dropped)
        except EdgeError as error:  # the answer is stored; the next turn will drop again
            logger.warning("turn %s: can't drop %d old turns: %s", self._turn.id, dropped, error.code)

    def _timings(self) -> Timings:
        model_ms = self._completion.queue_ms if self._completion else 0.0
        return Timings(
            queue_ms=round(self._session_ms + self._place_ms + model_ms, 2),
            retrieve_ms=self._retrieve_ms,
            first_token_ms=self._first_token_ms,
            total_ms=self._elapsed_ms(),
        )

    def _usage(self) -> Usage:
        done = self._completion
        if done is None:
            return Usage(completion_tokens=len(self._token_ids))
        return Usage(
            prompt_tokens=done.prompt_tokens,
            cached_tokens=done.cached_tokens,
            completion_tokens=done.completion_tokens,
        )

    def _fail(self, error: EdgeError) -> None:
        """End the turn with an error; the one who started it gets it too when it never began."""
        turn = self._turn
        if not turn.finished:
            turn.append(
                TurnFailed(
                    id=turn.id,
                    seq=turn.seq + 1,
                    code=error.code,
                    message=error.message,
                    retry_after=error.retry_after,
                )
            )
        if not turn.accepted.done():
            turn.accepted.set_exception(error)
            turn.accepted.exception()  # nobody may be there to hear it

    def _elapsed_ms(self) -> float:
        return round((time.monotonic() - self._turn.created) * 1000, 2)


async def _shorten(conversations: Conversations, turn_id: str, text: str, heard: int) -> None:
    """Store as the answer what was heard of it."""
    if heard < len(text):
        await conversations.shorten_turn(turn_id, _heard(text, heard))


def _heard(text: str, characters: int) -> str:
    return text[: max(characters, 0)].rstrip()


def as_edge_error(error: Exception, turn_id: str) -> EdgeError:
    """Return `error` as people may see it; what isn't meant for them goes to the log."""
    if isinstance(error, EdgeError):
        logger.info("turn %s: %s", turn_id, error.code)
        return error
    logger.error("turn %s: unexpected %s", turn_id, type(error).__name__, exc_info=error)
    return EdgeError("INTERNAL", "something went wrong inside the assistant: its log names the place")


def _log(turn: Turn, status: Status, text: str, timings: Timings) -> None:
    logger.info(
        "turn %s: %s, %d characters, queue %.0f ms, first token %.0f ms, total %.0f ms",
        turn.id, status, len(text), timings.queue_ms, timings.first_token_ms, timings.total_ms,
    )  # fmt: skip
