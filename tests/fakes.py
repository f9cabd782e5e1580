"""A language model with scripted timing: it says what a test tells it, when the test lets it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from edge_assistant.assistant.ladder import Extensions
from edge_assistant.assistant.routing import Elsewhere, Policy
from edge_assistant.errors import EdgeError
from edge_assistant.llm.protocol import (
    Completion,
    FinishReason,
    Generation,
    ModelStatus,
    Piece,
    Progress,
    Stream,
)
from edge_assistant.memory.conversations import Conversations

Step = str | Progress | EdgeError | asyncio.Event
"""A piece of text, progress, an error to raise, or an event to wait for."""


class ScriptedStream:
    """Goes through the steps of its model; each piece of text is one token."""

    def __init__(self, model: ScriptedModel, steps: list[Step]) -> None:
        self.completion: Completion | None = None
        self.cancels = 0
        self._model = model
        self._steps = steps
        self._cancelled = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[Progress | Piece]:
        ids: list[int] = []
        for step in self._steps:
            if isinstance(step, asyncio.Event):
                await self._pause(step)
            if self._cancelled.is_set():
                break
            if isinstance(step, EdgeError):
                raise step
            if isinstance(step, Progress):
                yield step
            elif isinstance(step, str):
                ids.append(1000 + len(ids))
                yield Piece(step, (ids[-1],), 0.0)
        reason = "cancelled" if self._cancelled.is_set() else self._model.reason
        self.completion = Completion(
            reason=reason, token_ids=tuple(ids), prompt_tokens=7, cached_tokens=3,
            completion_tokens=len(ids), dropped_turns=self._model.dropped_turns, queue_ms=1.5,
        )  # fmt: skip

    async def cancel(self) -> None:
        self.cancels += 1
        if not self._model.deaf:
            self._cancelled.set()

    async def _pause(self, gate: asyncio.Event) -> None:
        tasks = [asyncio.ensure_future(event.wait()) for event in (gate, self._cancelled)]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()


class ScriptedModel:
    """Implements `LanguageModel`; `steps` is what the next generations do."""

    def __init__(self, *steps: Step, name: str = "scripted") -> None:
        self.steps: list[Step] = list(steps) or ["Hello ", "there."]
        self.reason: FinishReason = "stop"
        self.dropped_turns = 0
        self.deaf = False
        """Whether it never stops when asked to."""
        self.generations: list[Generation] = []
        self.streams: list[ScriptedStream] = []
        self.prepared: list[Generation] = []
        self.forgotten: list[str] = []
        self.status = ModelStatus(name=name, phase="ready")

    def generate(self, generation: Generation) -> Stream:
        self.generations.append(generation)
        self.streams.append(ScriptedStream(self, list(self.steps)))
        return self.streams[-1]

    async def prepare(self, generation: Generation) -> None:
        self.prepared.append(generation)

    async def forget(self, conversation: str) -> None:
        self.forgotten.append(conversation)


class Purse:
    """A month's budget in memory."""

    def __init__(self, tokens: int = 10_000) -> None:
        self.tokens = tokens

    async def left(self) -> int:
        return self.tokens

    async def spend(self, tokens: int) -> None:
        self.tokens -= tokens


def with_cloud(cloud: ScriptedModel, conversations: Conversations) -> Extensions:
    """Return extensions with a cloud that answers whoever asks for it."""
    return Extensions(elsewhere=Elsewhere(cloud, Policy(consent="asked"), Purse(), conversations))
