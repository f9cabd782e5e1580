"""Turns of programs that keep the conversation themselves: the same line, limits, model and events.

Such a request brings its history, and nothing of it stays here: no session, no stored turn, nothing
to learn from. It reads no memories or documents either, because the program decides what the model
sees. Who asked is known all the same.
"""

from __future__ import annotations

import time

import msgspec

from edge_assistant.assistant.answer import DROPPED_NOTICE, Answer, Status
from edge_assistant.assistant.events import Timings, TurnStarted, Usage
from edge_assistant.assistant.function import CallReader
from edge_assistant.assistant.ladder import Extensions
from edge_assistant.assistant.request import Brought, Request
from edge_assistant.assistant.rung import ModelRung
from edge_assistant.assistant.thread import Threads
from edge_assistant.assistant.turn import Turn
from edge_assistant.errors import EdgeError
from edge_assistant.llm.protocol import Generation, Piece, Progress
from edge_assistant.memory.conversations import Conversations


class StatelessAnswer(Answer):
    """Answers a request that brings its own history."""

    def __init__(
        self,
        turn: Turn,
        request: Request,
        conversations: Conversations,
        rung: ModelRung,
        *,
        brought: Brought,
        threads: Threads,
    ) -> None:
        super().__init__(turn, request, conversations, rung, Extensions(), previous=None)
        self._brought = brought
        self._threads = threads
        self._thread: str | None = None
        """Names the KV to continue while the model answers."""
        self._reader: CallReader | None = None
        if brought.functions:
            self._reader = CallReader(brought.functions, required=brought.call == "required")

    async def _begin(self) -> bool:
        turn = self._turn
        turn.append(TurnStarted(id=turn.id, seq=1, session=turn.session))
        turn.accepted.set_result(None)
        return True

    async def _keep_parts(self) -> None:
        """Keep nothing."""

    async def _generate(self) -> None:
        with self._threads.thread(self._request.principal.id, self._brought.messages) as thread:
            self._thread = thread
            await super()._generate()
        if self._reader is not None and self._completion is not None:
            text, self._calls = self._reader.finish()
            if text:
                self._tell_text(text, time.monotonic())

    async def _generation(self) -> Generation:
        request = self._request
        return self._rung.brought(request.id, self._brought, self._thread, request.tokens_per_second)

    def _take(self, item: Progress | Piece) -> None:
        if isinstance(item, Piece) and self._reader is not None:
            item = msgspec.structs.replace(item, text=self._reader.feed(item.text))
        super()._take(item)

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
        """Keep nothing; tell when old turns were left out."""
        del text, token_ids, status, timings, usage, error
        if self._completion is not None and self._completion.dropped_turns:
            self._question.notices.append(DROPPED_NOTICE)
